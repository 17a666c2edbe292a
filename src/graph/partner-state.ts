import type { JsonObject } from '../untrusted/bounded-json.ts';
import { asString, type GraphCall, type GraphFailure, getCollection, type RefusedHost } from './call.ts';

const states = ['unknown', 'unavailable', 'enabled', 'terminated', 'rejected', 'unresponsive'] as const;

/** `partnerState` of Graph (domain/microsoft.md 4.6). */
export type PartnerState = (typeof states)[number];

/** Intune keeps the two kinds of partner apart (domain/microsoft.md 5.1, 5.2). */
const resources = {
  'device-compliance': 'complianceManagementPartners',
  'conditional-access': 'deviceManagementPartners',
} as const;

/** Properties by which our own entry may be recognised. */
export interface PartnerIdentity {
  /** The application id that an administrator pasted in Intune; only deviceManagementPartners show it. */
  readonly singleTenantAppId?: string;
  readonly displayName?: string;
}

export interface ReadPartnerState extends GraphCall {
  readonly mode: keyof typeof resources;
  readonly identity?: PartnerIdentity;
}

export interface OwnPartner {
  readonly displayName: string | undefined;
  readonly state: PartnerState;
  readonly lastHeartbeatAt: Date | undefined;
  /** Time at which devices of a terminated partner become non-compliant; only in mode conditional-access. */
  readonly markedAt?: Date;
  /** Time at which devices of a terminated partner are removed; only in mode conditional-access. */
  readonly removedAt?: Date;
  /** Evidence that the entry is ours; `only` is the weakest: there is no other. */
  readonly matchedBy: 'application' | 'name' | 'only';
}

/** `found: false`: no partner is set up, or none of `partners` can be told to be ours. */
export type PartnerStateResult =
  | ({ readonly ok: true; readonly found: true } & OwnPartner)
  | { readonly ok: true; readonly found: false; readonly state: 'unknown'; readonly partners: number }
  | GraphFailure
  | RefusedHost;

const same = (a: unknown, b: string | undefined): boolean =>
  b !== undefined && b !== '' && asString(a)?.trim().toLowerCase() === b.trim().toLowerCase();

/** Graph writes year 1 where a DateTimeOffset was never set. */
function asTime(value: unknown): Date | undefined {
  const time = new Date(asString(value) ?? '');
  return Number.isNaN(time.getTime()) || time.getUTCFullYear() < 1970 ? undefined : time;
}

function ownOf(
  items: readonly JsonObject[],
  identity: PartnerIdentity,
): { readonly item: JsonObject; readonly matchedBy: OwnPartner['matchedBy'] } | undefined {
  const single = (
    candidates: readonly JsonObject[],
    matchedBy: OwnPartner['matchedBy'],
  ): ReturnType<typeof ownOf> => {
    const [item] = candidates;
    return item !== undefined && candidates.length === 1 ? { item, matchedBy } : undefined;
  };
  // An entry with somebody else's application is theirs, whatever it is called.
  const possible = items.filter((item) => {
    const appId = asString(item.singleTenantAppId) ?? '';
    return (
      identity.singleTenantAppId === undefined || appId === '' || same(appId, identity.singleTenantAppId)
    );
  });
  return (
    single(
      possible.filter((item) => same(item.singleTenantAppId, identity.singleTenantAppId)),
      'application',
    ) ??
    single(
      possible.filter((item) => same(item.displayName, identity.displayName)),
      'name',
    ) ??
    (items.length === 1 ? single(possible, 'only') : undefined)
  );
}

function partnerOf(item: JsonObject, matchedBy: OwnPartner['matchedBy']): OwnPartner {
  const markedAt = asTime(item.whenPartnerDevicesWillBeMarkedAsNonCompliantDateTime);
  const removedAt = asTime(item.whenPartnerDevicesWillBeRemovedDateTime);
  return {
    displayName: asString(item.displayName),
    state: states.find((state) => same(item.partnerState, state)) ?? 'unknown',
    lastHeartbeatAt: asTime(item.lastHeartbeatDateTime),
    ...(markedAt === undefined ? {} : { markedAt }),
    ...(removedAt === undefined ? {} : { removedAt }),
    matchedBy,
  };
}

/**
 * Reads how Intune sees our connection (domain/microsoft.md 5.1, 5.2). Needs DeviceManagementServiceConfig.Read.All,
 * which the connector must not have: with its token the answer is `forbidden`, with the diagnostic application's
 * not.
 */
export async function readPartnerState(call: ReadPartnerState): Promise<PartnerStateResult> {
  const answer = await getCollection(call, `deviceManagement/${resources[call.mode]}`);
  if (!answer.ok) return answer;
  const own = ownOf(answer.items, call.identity ?? {});
  return own === undefined
    ? { ok: true, found: false, state: 'unknown', partners: answer.items.length }
    : { ok: true, found: true, ...partnerOf(own.item, own.matchedBy) };
}
