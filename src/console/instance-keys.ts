import { html } from 'hono/html';
import type { Html } from '../gateway/page-layout.ts';
import { at } from './api.ts';
import { aboveInstance, type InstanceKey, instancePath, readInstance } from './instance.ts';
import { confirmForm, reasonOf } from './instance-acts.ts';
import { actButton, type Column, card, facts, none, reasonField, table, time, writeForm } from './parts.ts';
import type { ConsolePage, Form, GoOn, PageContent, Visit } from './visit.ts';
import { webhookSetup } from './webhook-setup.ts';

/** The keys that an instance's webhooks show: made, shown once with what to enter in Jamf Pro, and revoked. */

const expiry = ({ expiresAt }: InstanceKey): Html =>
  expiresAt === null ? html`<span class="quiet">does not expire</span>` : time(expiresAt);

const revokeColumn = ({ param, person }: Visit): Column<InstanceKey> => ({
  title: 'Action',
  cell: ({ id }) =>
    actButton(person, {
      action: `${instancePath({ param })}/plan-revocation`,
      label: 'Revoke…',
      fields: { key: id },
    }),
});

const keyTable = (visit: Visit, keys: readonly InstanceKey[]): Html =>
  table<InstanceKey>(
    'Keys',
    [
      { title: 'Name', cell: ({ name }) => name },
      { title: 'Begins with', cell: ({ prefix }) => html`<code>${prefix}</code>` },
      { title: 'Made', cell: ({ createdAt }) => time(createdAt) },
      { title: 'Expires', cell: expiry },
      { title: 'Last used', cell: ({ lastUsedAt }) => time(lastUsedAt) },
      ...(visit.may('admin') ? [revokeColumn(visit)] : []),
    ],
    keys,
    'The instance has no key yet, so its webhooks are refused. Make one to see what to enter in Jamf Pro.',
  );

const makeForm = ({ may, param, person }: Visit): Html =>
  may('admin')
    ? writeForm(person, {
        action: `${instancePath({ param })}/make-key`,
        className: 'fields',
        content: html`<label>Name <input name="name" maxlength="100" required value="webhooks" /></label>
          <label>Last day, in UTC, if it is to end <input name="lastDay" type="date" /></label>
          ${reasonField()}
          <div class="actions"><button class="main">Make a key</button></div>`,
      })
    : none;

export const keysCard = (visit: Visit, keys: readonly InstanceKey[]): Html =>
  card('Keys of its webhooks', [
    html`<p>Jamf Pro shows a key with each webhook. To change one, make another, enter it in Jamf Pro, wait until it is used, then revoke the first.</p>`,
    keyTable(visit, keys),
    makeForm(visit),
  ]);

const expiryOf = (form: Form): { expiresAt?: string } => {
  const day = form.get('lastDay') ?? '';
  return day === '' ? {} : { expiresAt: `${day}T23:59:59Z` };
};

async function makeKey(visit: Visit, form: Form): Promise<PageContent> {
  const { body: instance } = await readInstance(visit);
  const name = form.get('name') ?? '';
  const { body } = await visit.api.write<{ key: string }>('POST', `${instancePath(visit)}/keys`, {
    body: { name, ...expiryOf(form) },
    reason: reasonOf(form),
  });
  return {
    title: 'The key, and the webhooks to make',
    above: await aboveInstance(visit, instance),
    body: [
      html`<p class="notice" role="status">The key is shown this once. The gateway keeps only its hash: copy it before you leave this page.</p>`,
      ...webhookSetup(instance, body.key),
      html`<p class="actions"><a class="button" href="${instancePath(visit)}">Back to the instance</a></p>`,
    ],
  };
}

const keyPath = (visit: Visit, form: Form): string =>
  instancePath(visit) + at`/keys/${form.get('key') ?? ''}`;

async function planRevocation(visit: Visit, form: Form): Promise<PageContent> {
  const { body: instance } = await readInstance(visit);
  const key = await visit.api.get<InstanceKey>(keyPath(visit, form));
  return {
    title: `Revoke the key ${key.name}`,
    above: await aboveInstance(visit, instance),
    body: [
      card('What this will do', [
        html`<p>Webhooks that show this key are refused from now on, and Jamf Pro does not send them again. It cannot be taken back.</p>`,
        facts([
          ['Key', html`${key.name}, begins with <code>${key.prefix}</code>`],
          ['Made', time(key.createdAt)],
          ['Last used', time(key.lastUsedAt)],
        ]),
      ]),
      confirmForm(visit, {
        act: 'revoke',
        label: 'Revoke this key',
        form,
        choices: html`<input type="hidden" name="key" value="${key.id}" />`,
      }),
    ],
  };
}

async function revoke(visit: Visit, form: Form): Promise<GoOn> {
  await visit.api.write('DELETE', keyPath(visit, form), { reason: reasonOf(form) });
  return { goTo: instancePath(visit), done: 'revoked' };
}

export const keyActs: NonNullable<ConsolePage['acts']> = {
  'make-key': makeKey,
  'plan-revocation': planRevocation,
  revoke,
};
