import type { JsonObject } from '../untrusted/bounded-json.ts';
import { asString, type GraphCall, type GraphFailure, getObject, isMissing } from './call.ts';

const selected = [
  'id',
  'deviceId',
  'displayName',
  'accountEnabled',
  'isCompliant',
  'isManaged',
  'mdmAppId',
  'managementType',
  'trustType',
  'operatingSystem',
  'operatingSystemVersion',
  'approximateLastSignInDateTime',
  'complianceExpirationDateTime',
].join(',');

/**
 * A device as Entra shows it (domain/microsoft.md 5.3). `isCompliant` and `isManaged` read null without
 * DeviceManagementManagedDevices.Read.All, and also before the first verdict.
 */
export interface EntraDevice {
  readonly objectId: string | undefined;
  readonly displayName: string | undefined;
  readonly accountEnabled: boolean | null;
  readonly isCompliant: boolean | null;
  readonly isManaged: boolean | null;
  readonly mdmAppId: string | undefined;
  readonly managementType: string | undefined;
  /** `Workplace` for a registered Mac. */
  readonly trustType: string | undefined;
  readonly operatingSystem: string | undefined;
  readonly operatingSystemVersion: string | undefined;
  /** ISO 8601, as Graph writes them. */
  readonly approximateLastSignInDateTime: string | undefined;
  readonly complianceExpirationDateTime: string | undefined;
}

export type ReadDeviceResult =
  | ({ readonly ok: true; readonly found: true } & EntraDevice)
  | { readonly ok: true; readonly found: false }
  | GraphFailure;

const asFlag = (value: unknown): boolean | null => (typeof value === 'boolean' ? value : null);

const deviceOf = (body: JsonObject): EntraDevice => ({
  objectId: asString(body.id),
  displayName: asString(body.displayName),
  accountEnabled: asFlag(body.accountEnabled),
  isCompliant: asFlag(body.isCompliant),
  isManaged: asFlag(body.isManaged),
  mdmAppId: asString(body.mdmAppId),
  managementType: asString(body.managementType),
  trustType: asString(body.trustType),
  operatingSystem: asString(body.operatingSystem),
  operatingSystemVersion: asString(body.operatingSystemVersion),
  approximateLastSignInDateTime: asString(body.approximateLastSignInDateTime),
  complianceExpirationDateTime: asString(body.complianceExpirationDateTime),
});

/** Reads a device by its Entra device id (not its object id), a GUID. */
export async function readDevice(call: GraphCall & { readonly deviceId: string }): Promise<ReadDeviceResult> {
  const path = `devices(deviceId='${encodeURIComponent(call.deviceId)}')?$select=${selected}`;
  const answer = await getObject(call, path);
  if (answer.ok) return { ok: true, found: true, ...deviceOf(answer.body) };
  return isMissing(answer) ? { ok: true, found: false } : answer;
}
