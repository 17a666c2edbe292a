import { html } from 'hono/html';
import type { Html } from '../../gateway/page-layout.ts';
import { at } from '../api.ts';
import { card, facts, reasonField, writeForm } from '../parts.ts';
import type { ConsolePage, Form, GoOn, Visit } from '../visit.ts';
import { type Move, stateOf } from './moves.ts';

/** A step of a move, a pause or the way back: first what it would do, then the button. */

const titles = {
  advance: 'Take the next step',
  pause: 'Pause the move',
  rollback: 'Take the move back',
} as const;
type Verb = keyof typeof titles;

/** What the address or the form asks for, as the API takes it. */
function asked(verb: Verb, given: URLSearchParams): Record<string, unknown> {
  if (verb !== 'advance') return {};
  const percent = given.get('percent')?.trim() ?? '';
  return {
    ...(percent === '' ? {} : { percent: Number(percent) }),
    ...(given.get('force') === 'on' ? { force: true } : {}),
  };
}

const told: Readonly<Record<Verb, (now: Move, then: Move) => Html>> = {
  advance: (now, then) =>
    then.state === 'shadowing'
      ? html`<p>From now on device calls of ${then.devices.planned} devices are asked of both instances, and the answers compared. Macs get the answer of the old instance, as before.</p>`
      : html`<p>The move goes from ${now.percent} to <strong>${then.percent} percent</strong>: <strong>${then.pending}</strong> devices follow to the new instance.</p>`,
  pause: (now) =>
    html`<p>${now.devices.moved} devices stay at the new instance and ${now.devices.planned} at the old one until the move goes on.</p>`,
  rollback: (_now, then) =>
    html`<p><strong>${then.pending}</strong> devices go back to the instance that they came from. Those that went elsewhere since stay there. A move that was taken back does not go on; plan a new one.</p>`,
};

function show(verb: Verb) {
  return async ({ api, may, param, person, query }: Visit) => {
    const path = at`/tenants/${param('tenantId')}/moves/${param('moveId')}`;
    const { body: now, etag } = await api.read<Move>(path);
    const above = [['The move', path]] as const;
    if (!may('operator'))
      return { title: titles[verb], above, body: html`<p>It takes the role operator to do this.</p>` };
    const body = asked(verb, query);
    const then = await api.dryRun<Move>(person, `${path}/${verb}`, body);
    return {
      title: titles[verb],
      above,
      body: card('What this will do', [
        told[verb](now, then),
        facts([
          ['Now', stateOf(now)],
          ['Then', stateOf(then)],
          ['Devices at the new instance now', now.devices.moved],
          ['Devices that are skipped', then.devices.skipped],
        ]),
        writeForm(person, {
          action: `${path}/${verb}/start`,
          className: 'fields',
          content: html`<input type="hidden" name="version" value="${etag ?? ''}" />
            ${Object.entries(body).map(([name, value]) => html`<input type="hidden" name="${name}" value="${value === true ? 'on' : String(value)}" />`)}
            ${reasonField()}
            <p><button class="${verb === 'rollback' ? 'danger' : 'main'}">${titles[verb]}</button></p>`,
        }),
      ]),
    };
  };
}

const start =
  (verb: Verb) =>
  async ({ api, param }: Visit, form: Form): Promise<GoOn> => {
    const path = at`/tenants/${param('tenantId')}/moves/${param('moveId')}`;
    const reason = form.get('reason')?.trim() ?? '';
    const { body, status } = await api.write<{ approvalId?: string }>('POST', `${path}/${verb}`, {
      ifMatch: form.get('version') ?? undefined,
      reason,
      body: { ...asked(verb, form), ...(reason === '' ? {} : { reason }) },
    });
    return status === 202 && body.approvalId !== undefined
      ? { goTo: at`/approvals/${body.approvalId}` }
      : { goTo: path, done: verb };
  };

const stepPage = (verb: Verb): ConsolePage => ({
  path: `/tenants/:tenantId/moves/:moveId/${verb}`,
  show: show(verb),
  acts: { start: start(verb) },
});

export const advanceMove: ConsolePage = stepPage('advance');
export const pauseMove: ConsolePage = stepPage('pause');
export const rollBackMove: ConsolePage = stepPage('rollback');
