/** The Microsoft side's calls about every device, and whether the right instance answered them. */

import { DemoFailure } from './demo-failure.ts';
import { type DemoContext, type DemoTenant, type DemoTruth, readSecret } from './demo-world.ts';

export interface WrongAnswer {
  readonly truth: DemoTruth;
  readonly why: string;
}

const callsAtOnce = 16;

/** A token for the gateway, from the tenant's own Entra. */
async function callerToken(context: DemoContext, tenant: DemoTenant): Promise<string> {
  const { applications, clouds } = context.world;
  const registered = applications[tenant.cloud];
  const authority = clouds[tenant.cloud]?.authority;
  if (!registered || !authority) throw new DemoFailure(`the world has no cloud ${tenant.cloud}`);
  const form = new URLSearchParams({
    grant_type: 'client_credentials',
    client_id: registered.caller.clientId,
    client_secret: await readSecret(registered.caller.secretFile),
    scope: `${registered.connector.clientId}/.default`,
  });
  const answer = await context.http.send(`${authority}/${tenant.tenantId}/oauth2/v2.0/token`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: form.toString(),
  });
  if (answer.status !== 200) throw new DemoFailure(`Entra gave the caller no token: ${answer.text}`);
  return (JSON.parse(answer.text) as { access_token: string }).access_token;
}

interface InventoryAnswer {
  readonly id?: unknown;
  readonly udid?: unknown;
  readonly hardware?: { readonly serialNumber?: unknown };
}

interface ComplianceAnswer {
  readonly deviceId?: unknown;
  readonly complianceVendorDeviceInformation?: readonly { readonly deviceIds?: readonly unknown[] }[];
}

/**
 * Finds the parts of the two answers that are not this Mac's. Computer ids collide between instances: only what belongs to the Mac
 * itself tells them apart.
 */
export function compareAnswers(
  truth: DemoTruth,
  inventory: InventoryAnswer,
  compliance: readonly ComplianceAnswer[],
): string[] {
  const computerId = String(truth.jamfComputerId);
  const deviceIds = compliance.flatMap((record) =>
    (record.complianceVendorDeviceInformation ?? []).flatMap((entry) => entry.deviceIds ?? []),
  );
  const checks: [string, boolean][] = [
    ['inventory id', inventory.id === computerId],
    ['serial number', inventory.hardware?.serialNumber === truth.serialNumber],
    ['udid', inventory.udid === truth.udid],
    ['compliance id', compliance.length > 0 && compliance.every((record) => record.deviceId === computerId)],
    ['device id', deviceIds.includes(truth.deviceId)],
  ];
  return checks.filter(([, isRight]) => !isRight).map(([what]) => what);
}

async function checkDevice(
  context: DemoContext,
  truth: DemoTruth,
  token: string,
): Promise<WrongAnswer | undefined> {
  const ask = (call: string): ReturnType<DemoContext['http']['send']> =>
    context.http.send(`${context.gatewayUrl}/t/${truth.tenantId}/devices/${truth.deviceId}/${call}`, {
      headers: { authorization: `Bearer ${token}`, accept: 'application/json' },
    });
  const [inventory, compliance] = await Promise.all([ask('inventory'), ask('compliance')]);
  const refused = [inventory, compliance].find(({ status }) => status !== 200);
  if (refused) return { truth, why: `${refused.status} ${refused.text.slice(0, 200)}` };
  const wrong = compareAnswers(
    truth,
    JSON.parse(inventory.text) as InventoryAnswer,
    JSON.parse(compliance.text) as ComplianceAnswer[],
  );
  return wrong.length === 0 ? undefined : { truth, why: `another computer's ${wrong.join(', ')}` };
}

/** Calls the gateway about every device; the answers that are not those of the right instance. */
export async function callBack(context: DemoContext, truth: readonly DemoTruth[]): Promise<WrongAnswer[]> {
  const tokens = new Map<string, string>();
  for (const tenant of context.world.tenants) tokens.set(tenant.tenantId, await callerToken(context, tenant));
  const queue = truth.values();
  const wrong: WrongAnswer[] = [];
  const worker = async (): Promise<void> => {
    for (const one of queue) {
      const found = await checkDevice(context, one, tokens.get(one.tenantId) ?? '');
      if (found) wrong.push(found);
    }
  };
  await Promise.all(Array.from({ length: callsAtOnce }, worker));
  return wrong;
}
