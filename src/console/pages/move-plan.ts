import { html } from 'hono/html';
import type { Html } from '../../gateway/page-layout.ts';
import { ApiRefusal, at } from '../api.ts';
import { instancesOf } from '../names.ts';
import { card, none, problemBox, reasonField, select, writeForm } from '../parts.ts';
import type { ConsolePage, Visit } from '../visit.ts';
import { instanceName, type Skipped, skippedTable } from './moves.ts';

/** Planning a move: what is asked for stands in the address, its dry run below, and then the button. */

interface Plan {
  readonly devices: number;
  readonly planned: number;
  readonly skipped: readonly Skipped[];
}

/** Makes the API's body of the fields of a form or of an address. */
function asked(given: URLSearchParams): Record<string, unknown> {
  const text = (name: string): string => given.get(name)?.trim() ?? '';
  const filter = text('filter');
  return {
    from: text('from'),
    to: text('to'),
    ...(filter === '' ? {} : { filter }),
    percent: Number(text('percent') || 10),
    shadow: text('shadow') !== 'off',
    unclaimed: text('unclaimed') === 'on',
    threshold: Number(text('threshold') || 1) / 100,
  };
}

function form({ query }: Visit, names: ReadonlyMap<string, string>): Html {
  const choices = [...names].map(([value, label]) => ({ value, label }));
  const chosen = (name: string): string | undefined => query.get(name) ?? undefined;
  return html`<form class="fields">
    ${select('from', 'From', choices, chosen('from'))}
    ${select('to', 'To', choices, chosen('to') ?? choices[1]?.value)}
    <label>Only devices with, as a filter of the API; empty for all of them
      <input name="filter" value="${query.get('filter') ?? ''}" placeholder="serialNumber==C02*" autocomplete="off" /></label>
    <label>Percent of one step <input name="percent" type="number" min="1" max="100" value="${query.get('percent') ?? '10'}" /></label>
    ${select(
      'shadow',
      'Before the first step',
      [
        { value: 'on', label: 'ask both instances and compare their answers' },
        { value: 'off', label: 'compare nothing' },
      ],
      chosen('shadow'),
    )}
    <label>Percent of compared answers that may differ
      <input name="threshold" type="number" min="0" max="100" step="0.1" value="${query.get('threshold') ?? '1'}" /></label>
    ${select(
      'unclaimed',
      'Devices that the new instance does not claim',
      [
        { value: 'off', label: 'stay' },
        { value: 'on', label: 'are looked for there by UDID or serial number' },
      ],
      chosen('unclaimed'),
    )}
    <p><button>See which devices would go</button></p>
  </form>`;
}

async function preview(visit: Visit, names: ReadonlyMap<string, string>): Promise<Html> {
  const { api, param, person, query } = visit;
  const tenantId = param('tenantId');
  const body = asked(query);
  const plan = await api.dryRun<Plan>(person, at`/tenants/${tenantId}/moves`, body);
  const step = Number(body.percent);
  return card('What this move would do', [
    html`<p><strong>${plan.planned}</strong> of ${plan.devices} devices would go from ${instanceName(tenantId, names, String(body.from))} to ${instanceName(tenantId, names, String(body.to))}. A step of ${step} percent is about ${Math.round((plan.planned * step) / 100)} devices.</p>`,
    skippedTable(plan.skipped),
    html`<p>Planning moves nobody: each step is a button of its own on the page of the move.</p>`,
    writeForm(person, {
      action: at`/tenants/${tenantId}/moves/new/plan`,
      className: 'fields',
      content: html`${['from', 'to', 'filter', 'percent', 'shadow', 'unclaimed', 'threshold'].map(
        (name) => html`<input type="hidden" name="${name}" value="${query.get(name) ?? ''}" />`,
      )}${reasonField()}<p><button class="main">Plan this move</button></p>`,
    }),
  ]);
}

/** What the API finds wrong with what was asked for stands below the form that asked. */
async function planned(visit: Visit, names: ReadonlyMap<string, string>) {
  try {
    return { body: await preview(visit, names) };
  } catch (error) {
    if (!(error instanceof ApiRefusal) || ![400, 409].includes(error.problem.status)) throw error;
    return { body: problemBox(error.problem), status: error.problem.status === 409 ? 409 : 400 } as const;
  }
}

export const newMove: ConsolePage = {
  path: '/tenants/:tenantId/moves/new',
  acts: {
    plan: async ({ api, param }, given) => {
      const reason = given.get('reason')?.trim() ?? '';
      const path = at`/tenants/${param('tenantId')}/moves`;
      const { body } = await api.write<{ id: string }>('POST', path, {
        body: { ...asked(given), ...(reason === '' ? {} : { reason }) },
      });
      return { goTo: `${path}/${body.id}`, done: 'planned' };
    },
  },
  show: async (visit) => {
    const { api, may, param, query } = visit;
    const tenantId = param('tenantId');
    const tenant = await api.get<{ displayName: string }>(at`/tenants/${tenantId}`);
    const names = await instancesOf(api, tenantId);
    const content = (): Html | Promise<Html> => {
      if (!may('operator')) return html`<p>It takes the role operator to plan a move.</p>`;
      if (names.size < 2)
        return html`<p class="empty">A move takes two instances of the tenant. Add the second one first.</p>`;
      return form(visit, names);
    };
    const isAsked = query.get('from') !== null && may('operator');
    const { body, ...status } = isAsked ? await planned(visit, names) : { body: none };
    return {
      title: 'Plan a move',
      ...status,
      above: [
        [tenant.displayName, at`/tenants/${tenantId}`],
        ['Moves', at`/tenants/${tenantId}/moves`],
      ],
      body: [await content(), body],
    };
  },
};
