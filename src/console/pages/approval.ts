import { html } from 'hono/html';
import type { Html } from '../../gateway/page-layout.ts';
import { at } from '../api.ts';
import { tenantNames } from '../names.ts';
import { card, facts, id, reasonField, state, time, writeForm } from '../parts.ts';
import type { ConsolePage, Form, GoOn, Visit } from '../visit.ts';
import { type Approval, isOwn, whatOf } from './approvals.ts';

/** One request that waits for a second operator: what would happen, who asks, and the two buttons. */

/** The page of the object that the request is about. */
function objectPage({ request }: Approval): string | undefined {
  const path = request.target.split('?')[0] ?? '';
  return /^\/api\/v1(\/tenants\/[\da-f-]{36}(?:\/(?:moves|instances)\/[\da-f-]{36})?)(?:\/[a-z]+)?$/.exec(
    path,
  )?.[1];
}

const needs = {
  viewer: 'any role',
  operator: 'the role operator or admin',
  admin: 'the role admin',
} as const;

/** Why this person cannot approve it; the API says so too, but after the button. */
function hindrance(approval: Approval, { may, person }: Visit): string | undefined {
  if (isOwn(approval, person))
    return `This is your own request. Somebody else with ${needs[approval.role]} who may see the tenant has to approve it, with a sign-in of their own. You can take it back.`;
  if (!may(approval.role)) return `It takes ${needs[approval.role]} to decide this.`;
  return undefined;
}

function decision(approval: Approval, version: string, visit: Visit): Html {
  if (approval.state !== 'waiting') return html``;
  const hindered = hindrance(approval, visit);
  const own = isOwn(approval, visit.person);
  const form = (verb: string, label: string, className: string): Html =>
    writeForm(visit.person, {
      action: at`/approvals/${approval.id}/${verb}`,
      className: 'fields',
      content: html`<input type="hidden" name="version" value="${version}" />
        ${reasonField()}<p><button class="${className}">${label}</button></p>`,
    });
  return card('Decide', [
    hindered === undefined
      ? html`<p>If you approve, it is done at once as ${approval.requestedBy.name}, for up to a tenth more devices than now.</p>`
      : html`<p>${hindered}</p>`,
    html`<div class="grid">
      ${hindered === undefined ? form('approve', 'Approve and do it now', 'main') : ''}
      ${hindered === undefined || (own && visit.may(approval.role)) ? form('reject', own ? 'Take it back' : 'Reject', 'danger') : ''}
    </div>`,
  ]);
}

function outcome({ decidedAt, decidedBy, outcome: came, reason }: Approval): Html {
  if (decidedBy === null) return html``;
  return card('Decision', [
    facts([
      ['By', decidedBy.name],
      ['When', time(decidedAt)],
      ['Reason', reason],
      ['Answer', came?.status === null || came === null ? came?.detail : `HTTP ${came.status}`],
    ]),
    came?.answer === null || came === null
      ? html``
      : html`<details><summary>What the gateway answered</summary><pre tabindex="0">${JSON.stringify(came.answer, null, 2)}</pre></details>`,
  ]);
}

/** Why it was asked for stands with the request in the history. */
async function askedBecause({ api }: Visit, { id: approvalId, tenantId }: Approval): Promise<string | null> {
  const { results } = await api.get<{ results: { reason: string | null }[] }>('/history', {
    filter: `tenantId==${tenantId};objectKind==approval;objectId==${approvalId};action==approval.request`,
    'page-size': 1,
  });
  return results[0]?.reason ?? null;
}

const decide =
  (verb: 'approve' | 'reject') =>
  async ({ api, param }: Visit, form: Form): Promise<GoOn> => {
    const approvalId = param('approvalId');
    const reason = form.get('reason')?.trim() ?? '';
    await api.write('POST', at`/approvals/${approvalId}/${verb}`, {
      ifMatch: form.get('version') ?? undefined,
      body: reason === '' ? {} : { reason },
    });
    return { goTo: at`/approvals/${approvalId}`, done: verb };
  };

export const approval: ConsolePage = {
  path: '/approvals/:approvalId',
  notices: {
    approve: 'You approved it, and it was carried out. What came of it is below.',
    reject: 'It was rejected. Nothing was done.',
  },
  acts: { approve: decide('approve'), reject: decide('reject') },
  show: async (visit) => {
    const { body: one, etag } = await visit.api.read<Approval>(at`/approvals/${visit.param('approvalId')}`);
    const tenant = await tenantNames(visit.api, [one.tenantId]);
    const because = await askedBecause(visit, one);
    const page = objectPage(one);
    return {
      title: whatOf(one),
      above: [['Approvals', '/approvals']],
      body: [
        card('What would happen', [
          html`<p>${one.summary}.</p>`,
          facts([
            ['State', state(one.state)],
            ['Devices', html`<strong>${one.devices}</strong>`],
            ['Tenant', tenant(one.tenantId)],
            ['It is about', page === undefined ? null : html`<a href="${page}">Look at it as it is now</a>`],
            ['Asked by', `${one.requestedBy.name}, role ${one.requestedBy.role}`],
            ['From', one.source ?? 'an address that is not known'],
            ['Why', because ?? html`<span class="quiet">no reason was given</span>`],
            ['Asked', time(one.createdAt)],
            one.state === 'waiting' ? ['Waits until', time(one.expiresAt)] : ['Waited until', null],
            ['Approval', id(one.id)],
          ]),
        ]),
        decision(one, etag ?? '', visit),
        outcome(one),
        html`<p><a href="${`/history?tenant=${one.tenantId}&kind=approval&object=${one.id}`}">Its entries in the history</a></p>`,
      ],
    };
  },
};
