import type { EntityTypes } from './entity-types.ts';
import { isLater, readEffect } from './upload-entities.ts';

/** The content of one message about one device, as Intune took it in; whether it took effect is another matter. */
export interface TakenReport {
  readonly messageId: string;
  readonly deviceId: string;
  /**
   * Milliseconds by the world's clock: when the request came, and when Intune took it. A request that a fault
   * delays is overtaken between the two, so the order of sending is that of `arrivedAt`.
   */
  readonly arrivedAt: number;
  readonly takenAt: number;
  /** The message had been taken before: it was sent again with its id. */
  readonly again: boolean;
  /** The newest of its entities. */
  readonly lastUpdateTime: string;
  readonly complianceStatus: 'compliant' | 'notCompliant' | null;
  readonly deviceManagementState: 'managed' | 'notManaged' | null;
  readonly deviceName: string | null;
  readonly osVersion: string | null;
}

/** A message that was refused, for the connection's sake or a device's. */
export interface RefusedUpload {
  readonly messageId: string;
  /** Milliseconds by the world's clock. */
  readonly at: number;
}

/** Every message that a tenant's Intune decided on, in the order of its decisions: for proofs of order and loss. */
export interface UploadLedger {
  readonly taken: readonly TakenReport[];
  readonly refused: readonly RefusedUpload[];
  /** Oldest first. */
  ofDevice(deviceId: string): readonly TakenReport[];
  take(
    message: { readonly messageId: string; readonly entities: readonly Record<string, unknown>[] },
    at: Pick<TakenReport, 'arrivedAt' | 'takenAt' | 'again'>,
    types: EntityTypes,
  ): void;
  refuse(messageId: string, at: number): void;
}

/** The entities of one device in one message, read as they will be applied. */
function readDevice(
  entities: readonly Record<string, unknown>[],
  types: EntityTypes,
): Pick<
  TakenReport,
  'lastUpdateTime' | 'complianceStatus' | 'deviceManagementState' | 'deviceName' | 'osVersion'
> {
  const effects = entities.map((entity) => readEffect(entity, types));
  const first = <Name extends 'complianceStatus' | 'deviceManagementState' | 'deviceName' | 'osVersion'>(
    name: Name,
  ) => effects.find((effect) => effect?.[name] != null)?.[name] ?? null;
  return {
    lastUpdateTime: entities
      .map((entity) => String(entity.LastUpdateTime))
      .reduce((newest, time) => (isLater(time, newest) ? time : newest)),
    complianceStatus: first('complianceStatus'),
    deviceManagementState: first('deviceManagementState'),
    deviceName: first('deviceName'),
    osVersion: first('osVersion'),
  };
}

export function createUploadLedger(): UploadLedger {
  const taken: TakenReport[] = [];
  const refused: RefusedUpload[] = [];
  const byDevice = new Map<string, TakenReport[]>();
  return {
    taken,
    refused,
    ofDevice: (deviceId) => byDevice.get(deviceId.toLowerCase()) ?? [],
    take: ({ entities, messageId }, at, types) => {
      const devices = Map.groupBy(entities, (entity) => String(entity.DeviceId).toLowerCase());
      for (const [deviceId, own] of devices) {
        const report = { messageId, deviceId, ...at, ...readDevice(own, types) };
        taken.push(report);
        const before = byDevice.get(deviceId);
        if (before) before.push(report);
        else byDevice.set(deviceId, [report]);
      }
    },
    refuse: (messageId, at) => {
      refused.push({ messageId, at });
    },
  };
}
