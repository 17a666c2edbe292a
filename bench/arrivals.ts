import type { CloudScene, ConnectedTenant } from './cloud-scene.ts';
import { deviceOf, type MacState } from './fleet.ts';

/** What Intune itself says of the states that it was told, read through the simulator's control API. */

interface Upload {
  readonly receivedAt: string;
  readonly attempts: number;
  readonly entities: readonly { readonly DeviceId: string; readonly OsVersion?: string }[];
}

export interface Arrivals {
  /** When Intune accepted the state, milliseconds since the epoch, by the number of the device. */
  readonly at: ReadonlyMap<number, number>;
  readonly messages: number;
  /** Messages that came more than once. */
  readonly resent: number;
}

const tenantPath = ({ tenantId }: ConnectedTenant): string => `/microsoft/tenants/${tenantId}`;

/** A device's report is an inventory entity and a verdict. */
const entitiesOfReport = 2;

/** Reports in accepted uploads so far, sent again ones among them: cheap enough to ask while something is measured. */
export async function acceptedReports(
  { control }: CloudScene,
  tenants: readonly ConnectedTenant[],
): Promise<number> {
  let entities = 0;
  for (const tenant of tenants) {
    const counters = await control('GET', `${tenantPath(tenant)}/counters`);
    entities += Number(counters.acceptedEntities);
  }
  return entities / entitiesOfReport;
}

/** Which devices' state has arrived, of uploads since a time (milliseconds since the epoch). */
export async function arrivalsOf(
  { control }: CloudScene,
  tenant: ConnectedTenant,
  { osVersion }: Pick<MacState, 'osVersion'>,
  since: number,
): Promise<Arrivals> {
  const query = new URLSearchParams({ since: new Date(since).toISOString() });
  const answer = await control('GET', `${tenantPath(tenant)}/uploads?${query}`);
  const uploads: readonly Upload[] = answer.uploads;
  const at = new Map<number, number>();
  for (const { entities, receivedAt } of uploads) {
    const receivedMs = Date.parse(receivedAt);
    for (const { DeviceId, OsVersion } of entities) {
      const device = deviceOf(DeviceId);
      if (OsVersion === osVersion && receivedMs < (at.get(device) ?? Number.POSITIVE_INFINITY)) {
        at.set(device, receivedMs);
      }
    }
  }
  return { at, messages: uploads.length, resent: uploads.filter(({ attempts }) => attempts > 1).length };
}

/** The same of all tenants; throws unless every device's state is among them. */
export async function proveArrivals(
  scene: CloudScene,
  state: Pick<MacState, 'osVersion'>,
  since: number,
): Promise<{ readonly lastAt: number; readonly messages: number; readonly resent: number }> {
  let lastAt = 0;
  let messages = 0;
  let resent = 0;
  for (const tenant of scene.tenants) {
    const arrived = await arrivalsOf(scene, tenant, state, since);
    if (arrived.at.size !== tenant.devices) {
      throw new Error(
        `${arrived.at.size} of ${tenant.devices} devices of tenant ${tenant.number} reached Intune`,
      );
    }
    for (const at of arrived.at.values()) lastAt = Math.max(lastAt, at);
    messages += arrived.messages;
    resent += arrived.resent;
  }
  return { lastAt, messages, resent };
}
