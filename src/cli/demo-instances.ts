/** Adds instances as an operator does, and sends webhooks here as a Jamf Pro administrator sets them up. */

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { requireSteps } from './demo-connect.ts';
import { DemoFailure } from './demo-failure.ts';
import { type DemoContext, type DemoInstance, type DemoTenant, readSecret } from './demo-world.ts';

/** An instance of the world, as the gateway knows it. */
export interface JoinedInstance {
  readonly tenant: DemoTenant;
  readonly instance: DemoInstance;
  /** The gateway's. */
  readonly instanceId: string;
  /** The key of this instance, as its webhooks present it. */
  readonly key: string;
  /** File with the key, for commands by hand. */
  readonly keyFile: string;
}

const keyName = 'demo';
// An instance has two live keys at most (contract section 5), so one of them has to be free for the new one.
const maxOldKeys = 1;

interface Listed {
  readonly results: readonly { readonly id: string; readonly name: string; readonly createdAt: string }[];
}

async function saveInstance(
  context: DemoContext,
  tenant: DemoTenant,
  instance: DemoInstance,
): Promise<string> {
  const { admin } = context;
  const { clientId, name, secretFile, url } = instance;
  const apiClient = { clientId, clientSecret: await readSecret(secretFile) };
  const path = `/tenants/${tenant.tenantId}/instances`;
  const { body } = await admin.call<Listed>('GET', `${path}?page-size=2000`);
  const known = body.results.find((candidate) => candidate.name === name);
  if (known) {
    // A simulator that was started again listens elsewhere.
    await admin.call('PATCH', `${path}/${known.id}`, { body: { url, apiClient } });
    return known.id;
  }
  const made = await admin.call<{ id: string }>('POST', path, { body: { name, url, apiClient } });
  return made.body.id;
}

/** Keys of earlier runs went with the simulator that knew them. */
async function makeKey(context: DemoContext, instancePath: string, keyFile: string): Promise<string> {
  const { admin } = context;
  const { body } = await admin.call<Listed>('GET', `${instancePath}/keys`);
  const old = body.results.filter(({ name }) => name === keyName);
  const others = body.results.filter(({ name }) => name !== keyName);
  for (const { id } of [...old, ...others.slice(maxOldKeys)]) {
    await admin.call('DELETE', `${instancePath}/keys/${id}`);
  }
  const made = await admin.call<{ key: string }>('POST', `${instancePath}/keys`, { body: { name: keyName } });
  await writeFile(keyFile, made.body.key, { mode: 0o600 });
  return made.body.key;
}

/** Adds or corrects the instance, makes it a key, and tests it. */
export async function joinInstance(
  context: DemoContext,
  tenant: DemoTenant,
  instance: DemoInstance,
): Promise<JoinedInstance> {
  const instanceId = await saveInstance(context, tenant, instance);
  const path = `/tenants/${tenant.tenantId}/instances/${instanceId}`;
  const keyFile = join(context.dir, `key-${instance.name}`);
  const key = await makeKey(context, path, keyFile);
  const { body } = await context.admin.call<Parameters<typeof requireSteps>[1]>('POST', `${path}/test`);
  requireSteps(`the test of ${instance.name}`, body);
  return { tenant, instance, instanceId, key, keyFile };
}

async function instanceToken(
  context: DemoContext,
  { clientId, secretFile, url }: DemoInstance,
): Promise<string> {
  const form = new URLSearchParams({
    grant_type: 'client_credentials',
    client_id: clientId,
    client_secret: await readSecret(secretFile),
  });
  const answer = await context.http.send(`${url}/api/v1/oauth/token`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: form.toString(),
  });
  if (answer.status !== 200) throw new DemoFailure(`${url} gave no token: ${answer.status} ${answer.text}`);
  return (JSON.parse(answer.text) as { access_token: string }).access_token;
}

const escapeXml = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

/** The Classic API's document, domain/jamf.md 3.1; the longest timeouts, as webhooks are never sent again. */
function webhookXml(event: string, url: string, key: string, smartGroupId: number | undefined): string {
  const elements: [string, string][] = [
    ['name', `Espalier ${event}`],
    ['enabled', 'true'],
    ['url', url],
    ['content_type', 'application/json'],
    ['event', event],
    ['connection_timeout', '15'],
    ['read_timeout', '15'],
    ['authentication_type', 'BASIC'],
    ['username', 'espalier'],
    ['password', key],
    ...(smartGroupId === undefined ? [] : [['smart_group_id', String(smartGroupId)] as [string, string]]),
  ];
  const inner = elements.map(([name, value]) => `<${name}>${escapeXml(value)}</${name}>`).join('');
  return `<?xml version="1.0" encoding="UTF-8"?><webhook>${inner}</webhook>`;
}

/** Makes the webhooks by which the instance tells the gateway of its computers. */
export async function configureWebhooks(context: DemoContext, joined: JoinedInstance): Promise<void> {
  const { instance, instanceId, key } = joined;
  const token = await instanceToken(context, instance);
  const target = `${context.gatewayUrl}/jamf/${instanceId}/webhooks`;
  const events: [string, number | undefined][] = [
    ['ComputerAdded', undefined],
    ['ComputerCheckIn', undefined],
    ['ComputerInventoryCompleted', undefined],
    ['SmartGroupComputerMembershipChange', instance.complianceGroupId],
  ];
  for (const [event, groupId] of events) {
    const answer = await context.http.send(`${instance.url}/JSSResource/webhooks/id/0`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/xml' },
      body: webhookXml(event, target, key, groupId),
    });
    if (answer.status !== 201) {
      throw new DemoFailure(`${instance.name} refused the webhook ${event}: ${answer.status} ${answer.text}`);
    }
  }
}

/**
 * Lets every instance, and Microsoft's side, trust the gateway's certificate, as the administrator of a self-signed one
 * has to; Microsoft takes public ones only.
 */
export async function trustGateway(context: DemoContext): Promise<void> {
  await context.control.call('PUT', '/microsoft/browser-trust', {
    body: { pem: context.gatewayCertificatePem },
  });
  await context.control.call('PUT', '/jamf/webhook-trust', { body: { pem: context.gatewayCertificatePem } });
}
