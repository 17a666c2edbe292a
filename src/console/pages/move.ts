import { html } from 'hono/html';
import type { Html } from '../../gateway/page-layout.ts';
import { at } from '../api.ts';
import { instancesOf } from '../names.ts';
import { card, facts, id, idLink, table, time } from '../parts.ts';
import type { ConsolePage, Visit } from '../visit.ts';
import { instanceName, type Move, progress, skippedTable, stateOf } from './moves.ts';

/** One move: how far it is, how the answers of both instances differ, and its next step. */

interface Difference {
  readonly kind: string;
  readonly call: string;
  readonly count: number;
  readonly example: { readonly deviceId: string; readonly description: string };
  readonly lastAt: string;
}

type MoveWithDifferences = Move & { readonly differences: readonly Difference[] };

const kinds: Readonly<Record<string, string>> = {
  unreachable: 'The new instance did not answer.',
  'not-found': 'The new instance does not know the device.',
  status: 'Both answered with another status.',
  verdict: 'They judge the compliance differently.',
  body: 'Something else in the answer differs.',
};

const percentOf = (share: number): string => `${Number((share * 100).toFixed(2))} %`;

function shadowing(
  { differences, shadow, shadowing: seen, threshold }: MoveWithDifferences,
  tenantId: string,
): Html {
  if (!shadow) return html``;
  return card('Answers of both instances', [
    facts([
      ['Compared', `${seen.compared}; at least ${seen.needed} have to be before the first step`],
      [
        'Different',
        `${seen.differed}, which is ${percentOf(seen.share)}; up to ${percentOf(threshold)} may be`,
      ],
      ['Since', seen.startedAt === null ? null : time(seen.startedAt)],
    ]),
    table<Difference>(
      'Differences',
      [
        { title: 'Times', numeric: true, cell: ({ count }) => count },
        { title: 'Call', cell: ({ call }) => html`<code>${call}</code>` },
        { title: 'What differs', cell: ({ kind }) => kinds[kind] ?? kind },
        {
          title: 'For example, old and new',
          cell: ({ example }) =>
            html`${example.description}<br />${idLink(at`/tenants/${tenantId}/devices/${example.deviceId}`, example.deviceId)}`,
        },
        { title: 'Last', cell: ({ lastAt }) => time(lastAt) },
      ],
      differences,
      seen.compared === 0
        ? 'Nothing is compared yet. Answers are compared as Macs ask for theirs, once the move is shadowed.'
        : 'No answer differs.',
    ),
  ]);
}

/** To which percent, as a slider and a number; the number alone works without scripts. */
function percentFields({ devices, percent, stepPercent }: Move): Html {
  const next = Math.min(100, percent + stepPercent);
  const going = devices.total - devices.skipped;
  return html`<label for="percent">To this percent of ${going} devices</label>
    <div class="slider">
      <input type="range" data-range="percent" min="${percent + 1}" max="100" value="${next}" aria-label="Percent" hidden />
      <input id="percent" name="percent" type="number" min="${percent + 1}" max="100" value="${next}" required />
      <span>about <output for="percent" data-share-of="${going}">${Math.round((going * next) / 100)}</output> devices at the new instance</span>
    </div>`;
}

function step(move: Move, path: string): Html {
  const to = `${path}/advance`;
  if (move.state === 'planned' && move.shadow)
    return html`<p>The next step compares: device calls are asked of both instances, and nobody is moved.</p>
      <p><a class="button main" href="${to}">Begin to compare…</a></p>`;
  return html`<form class="fields" action="${to}">${percentFields(move)}
    <label class="inline"><input type="checkbox" name="force" value="on" /> Also if too little was compared, or too much differs</label>
    <p><button class="main">See what the next step would do</button></p></form>`;
}

function actions(move: Move, path: string, { may }: Visit): Html {
  if (!may('operator') || move.state === 'rolled-back') return html``;
  const done = move.state === 'done';
  return card('Next', [
    move.paused && !done
      ? html`<p>The move is paused. <a class="button main" href="${path}/advance">Go on…</a></p>`
      : html``,
    done ? html`<p>All devices that were to go are at the new instance.</p>` : step(move, path),
    html`<p class="actions">
      ${done || move.paused || move.state === 'planned' ? '' : html`<a class="button" href="${path}/pause">Pause…</a>`}
      <a class="button" href="${path}/rollback">${move.devices.moved === 0 ? 'Give it up…' : 'Take it back…'}</a></p>`,
  ]);
}

export const move: ConsolePage = {
  path: '/tenants/:tenantId/moves/:moveId',
  notices: {
    planned: 'The move is planned. Nobody is moved yet.',
    advance: 'The step is taken. Devices that are left follow by themselves.',
    pause: 'The move is paused. Everything stays where it is.',
    rollback: 'The move is taken back. Devices that are left follow by themselves.',
  },
  show: async (visit) => {
    const { api, param } = visit;
    const tenantId = param('tenantId');
    const path = at`/tenants/${tenantId}/moves/${param('moveId')}`;
    const one = await api.get<MoveWithDifferences>(path);
    const tenant = await api.get<{ displayName: string }>(at`/tenants/${tenantId}`);
    const names = await instancesOf(api, tenantId);
    const { devices } = one;
    return {
      title: `${names.get(one.from) ?? one.from} to ${names.get(one.to) ?? one.to}`,
      above: [
        ['Tenants', '/tenants'],
        [tenant.displayName, at`/tenants/${tenantId}`],
        ['Moves', at`/tenants/${tenantId}/moves`],
      ],
      body: [
        html`<div id="progress" hx-get="${path}" hx-trigger="every 5s" hx-select="#progress" hx-swap="outerHTML">${card(
          'Progress',
          facts([
            ['State', stateOf(one)],
            ['Percent', `${one.percent} %`],
            ['Moved', progress(one)],
            ['Still to go', devices.planned],
            ['Routes being written', one.pending],
            ['Taken back', devices.rolledBack],
            ['Skipped', devices.skipped],
            ['From', instanceName(tenantId, names, one.from)],
            ['To', instanceName(tenantId, names, one.to)],
            ['Only devices with', one.filter === null ? null : html`<code>${one.filter}</code>`],
            ['Planned by', one.author],
            ['Reason', one.reason],
            ['Changed', time(one.updatedAt)],
            ['Move', id(one.id)],
          ]),
        )}</div>`,
        actions(one, path, visit),
        shadowing(one, tenantId),
        html`<h2>Devices that are skipped</h2>`,
        skippedTable(one.skipped),
        html`<p><a href="${`/history?tenant=${tenantId}&kind=move&object=${one.id}`}">Its entries in the history</a></p>`,
      ],
    };
  },
};
