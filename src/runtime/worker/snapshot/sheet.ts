import { rowOfJson } from '../../../store/columns.ts';
import { type Instance, instanceShape } from '../../../store/instances/instance.ts';
import { type Tenant, tenantOfJson } from '../../../store/tenants/tenant.ts';

/**
 * A tenant in the snapshot: its row and its instances as the database has them, secrets sealed, and its routes or the names
 * of the objects that hold them. As bytes it is the length of some JSON, the JSON, and the packed routes.
 */
export interface Sheet {
  readonly tenant: Tenant;
  readonly instances: readonly Instance[];
  /** The packed routes of a tenant that has few. */
  readonly routes: Uint8Array;
  /** Of one that has many, the object for each first byte of a device's id; null where there is no such device. */
  readonly parts: readonly (string | null)[] | undefined;
}

export const partsOfSheet = 256;

/** The part in which a device's route is. */
export const partOf = (deviceId: string): number => Number.parseInt(deviceId.slice(0, 2), 16);

/** The first and the last id of a part. */
export function idsOfPart(part: number): readonly [from: string, to: string] {
  const first = part.toString(16).padStart(2, '0');
  const rest = (digit: string): string => [6, 4, 4, 4, 12].map((digits) => digit.repeat(digits)).join('-');
  return [first + rest('0'), first + rest('f')];
}

const lengthBytes = 4;

export function encodeSheet({ instances, parts, routes, tenant }: Sheet): Uint8Array {
  const json = Buffer.from(JSON.stringify({ tenant, instances, parts }));
  const length = Buffer.alloc(lengthBytes);
  length.writeUInt32BE(json.length);
  return Buffer.concat([length, json, routes]);
}

export function decodeSheet(bytes: Uint8Array): Sheet {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const end = lengthBytes + buffer.readUInt32BE(0);
  const json = JSON.parse(buffer.subarray(lengthBytes, end).toString()) as {
    readonly tenant: Record<string, unknown>;
    readonly instances: readonly Record<string, unknown>[];
    readonly parts?: readonly (string | null)[];
  };
  return {
    tenant: tenantOfJson(json.tenant),
    instances: json.instances.map((instance) => rowOfJson(instanceShape, instance)),
    parts: json.parts,
    routes: buffer.subarray(end),
  };
}
