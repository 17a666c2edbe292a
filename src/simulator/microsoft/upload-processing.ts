import type { SimulatedTenant } from '../directory.ts';
import type { CloudContext } from './context.ts';
import type {
  AppliedState,
  IntuneState,
  IntuneTenant,
  PartnerDevice,
  UploadMessage,
} from './intune-state.ts';
import { createSchedule } from './schedule.ts';
import type { IntuneSettings } from './settings.ts';
import {
  type EntityEffect,
  type EntityFault,
  findFault,
  isIncompleteCompliance,
  isLater,
  readEffect,
} from './upload-entities.ts';

interface PendingUpload {
  readonly tenant: SimulatedTenant;
  readonly message: UploadMessage;
}

interface Verdict {
  readonly tenant: SimulatedTenant;
  readonly deviceId: string;
  readonly isCompliant: boolean | null;
  readonly isManaged: boolean | null;
}

export interface UploadProcessor {
  /** Takes a message for processing after the tenant's delay. */
  accept(tenant: SimulatedTenant, message: UploadMessage): void;
  /** Does everything that is due by the world's clock. */
  settle(): void;
}

const describeFault = (fault: EntityFault, style: IntuneSettings['errorDetailStyle']): unknown =>
  style === 'string'
    ? fault.message
    : {
        ErrorCode: fault.code,
        Message: fault.message,
        DeviceErrors: [{ DeviceId: fault.deviceId ?? null, ErrorCode: fault.code, Message: fault.message }],
      };

/** A device that stopped reporting for good; a new registration has a new id (domain/microsoft.md 4.6). */
function lapsed(entity: Record<string, unknown>, tenant: IntuneTenant): EntityFault | undefined {
  const deviceId = String(entity.DeviceId).toLowerCase();
  if (!tenant.lapsedDevices.has(deviceId)) return undefined;
  const message = `Device ${deviceId} is no longer managed by this partner and has to register again.`;
  return { code: 'DeviceNotManaged', message, deviceId };
}

function applyEffect(
  device: PartnerDevice,
  entityType: number,
  effect: EntityEffect,
  settings: IntuneSettings,
): void {
  if (entityType === settings.entityTypes.complianceInventory) {
    device.complianceInventory = { ...effect.attributes };
  } else Object.assign(device.inventory, effect.attributes);
  device.complianceStatus = effect.complianceStatus ?? device.complianceStatus;
  device.deviceManagementState = effect.deviceManagementState ?? device.deviceManagementState;
  // Legacy protocol: Intune's own policy computes the verdict from inventory (domain/microsoft.md 0 and 7).
  if (settings.inventoryVerdict === 'encrypted' && effect.encrypted !== null) {
    device.complianceStatus = effect.encrypted ? 'compliant' : 'notCompliant';
  }
}

function record(
  device: PartnerDevice,
  message: UploadMessage,
  applied: { entityType: number; lastUpdateTime: string; effect: EntityEffect },
  appliedAt: string,
): void {
  const { entityType, lastUpdateTime, effect } = applied;
  const last = device.history.at(-1);
  const same = last?.messageId === message.messageId ? last : undefined;
  const entry: AppliedState = {
    messageId: message.messageId,
    appliedAt,
    lastUpdateTime:
      same && isLater(same.lastUpdateTime, lastUpdateTime) ? same.lastUpdateTime : lastUpdateTime,
    entityTypes: [...(same?.entityTypes ?? []), entityType],
    complianceStatus: effect.complianceStatus ?? same?.complianceStatus ?? null,
    deviceManagementState: effect.deviceManagementState ?? same?.deviceManagementState ?? null,
    deviceName: effect.deviceName ?? same?.deviceName ?? null,
    osVersion: effect.osVersion ?? same?.osVersion ?? null,
    lastCheckInTime: effect.lastCheckInTime ?? same?.lastCheckInTime ?? null,
    attributes: { ...same?.attributes, ...effect.attributes },
  };
  if (same) device.history.pop();
  device.history.push(entry);
}

/** The state that Entra will show: not managed means not compliant, whatever the verdict (domain/microsoft.md 4.4). */
const verdictOf = (device: PartnerDevice): Pick<Verdict, 'isCompliant' | 'isManaged'> => ({
  isManaged: device.deviceManagementState === null ? null : device.deviceManagementState === 'managed',
  isCompliant:
    device.deviceManagementState === 'notManaged'
      ? false
      : device.complianceStatus === null
        ? null
        : device.complianceStatus === 'compliant',
});

/** Returns the device that the entity changed; undefined where it had no effect. */
function applyEntity(
  cloud: CloudContext,
  state: IntuneState,
  entity: PendingUpload['message']['entities'][number],
  { tenant, message }: PendingUpload,
): PartnerDevice | undefined {
  const settings = cloud.settings.tenant(tenant.tenantId).intune;
  const { counters } = state.tenant(tenant.tenantId);
  const { DeviceId: deviceId, EntityType: entityType, LastUpdateTime: lastUpdateTime } = entity;
  if (isIncompleteCompliance(entity, settings.entityTypes)) counters.incompleteComplianceEntities += 1;
  const effect = readEffect(entity, settings.entityTypes);
  if (!effect || typeof entityType !== 'number') {
    counters.ineffectiveEntities += 1;
    return undefined;
  }
  const device = state.device(tenant.tenantId, String(deviceId));
  const newest = device.lastUpdateTimes.get(entityType);
  if (newest !== undefined && !isLater(String(lastUpdateTime), newest)) {
    counters.staleEntities += 1;
    return undefined;
  }
  device.lastUpdateTimes.set(entityType, String(lastUpdateTime));
  applyEffect(device, entityType, effect, settings);
  const applied = { entityType, lastUpdateTime: String(lastUpdateTime), effect };
  record(device, message, applied, new Date(cloud.world.clock.now()).toISOString());
  return device;
}

/** Makes the verdict visible in Entra; only a change is an event of the directory. */
function showVerdict(cloud: CloudContext, { deviceId, isCompliant, isManaged, tenant }: Verdict): void {
  const device = tenant.devices.get(deviceId);
  if (!device) return;
  const isChanged = device.isCompliant !== isCompliant || device.isManaged !== isManaged;
  device.isCompliant = isCompliant;
  device.isManaged = isManaged;
  if (!isChanged) return;
  const { tenantId } = tenant;
  cloud.directory.note({ tenantId, set: 'devices', objectId: device.objectId, change: 'updated' });
}

/**
 * The asynchronous half of DataUploadMessages (domain/microsoft.md 11.14): pending, then Completed or Failed,
 * and later visible in Entra. A message with one bad entity fails as a whole and changes nothing.
 */
export function createUploadProcessor(cloud: CloudContext, state: IntuneState): UploadProcessor {
  const { clock, random } = cloud.world;
  const uploads = createSchedule<PendingUpload>(clock);
  const verdicts = createSchedule<Verdict>(clock);
  let heldByOtherPartner: PendingUpload[] = [];
  /**
   * Readers of the directory itself see a change too, not only callers of Graph and Intune. Each step is timed when it is
   * known to come: a time that was counted from the upload passes before a message that was processed late is shown.
   */
  const settleIn = (delayMs: number): void => {
    setTimeout(settle, delayMs + 1).unref();
  };

  const applyEntities = (pending: PendingUpload): void => {
    const { tenant, message } = pending;
    const settings = cloud.settings.tenant(tenant.tenantId).intune;
    const changed = new Set<PartnerDevice>();
    for (const entity of message.entities) {
      const device = applyEntity(cloud, state, entity, pending);
      if (device) changed.add(device);
    }
    if (settings.visibilityDelayMs === null) return;
    for (const device of changed) {
      const verdict = { tenant, deviceId: device.deviceId, ...verdictOf(device) };
      verdicts.add(clock.now() + settings.visibilityDelayMs, verdict);
    }
    settleIn(settings.visibilityDelayMs);
  };

  const process = (pending: PendingUpload): void => {
    const { tenant, message } = pending;
    const known = state.tenant(tenant.tenantId);
    // Put again meanwhile: the newer copy is scheduled on its own.
    if (known.messages.get(message.messageId) !== message) return;
    const settings = cloud.settings.tenant(tenant.tenantId).intune;
    const groups = [...settings.assignedGroupIds, ...known.policies.flatMap((policy) => policy.assignments)];
    const fault = message.entities
      .map((entity) => lapsed(entity, known) ?? findFault(entity, tenant, groups, settings.entityTypes))
      .find((found) => found !== undefined);
    if (fault) {
      message.status = 'Failed';
      message.errorDetail = describeFault(fault, settings.errorDetailStyle);
      known.counters.failed += 1;
      return;
    }
    const bound = message.entities.some(
      (entity) => tenant.devices.get(String(entity.DeviceId).toLowerCase())?.boundToOtherPartner,
    );
    if (bound) {
      heldByOtherPartner.push(pending);
      return;
    }
    applyEntities(pending);
    message.status = 'Completed';
    known.counters.completed += 1;
  };

  function settle(): void {
    const held = heldByOtherPartner;
    heldByOtherPartner = [];
    for (const pending of held) process(pending);
    for (const pending of uploads.takeDue()) process(pending);
    for (const verdict of verdicts.takeDue()) showVerdict(cloud, verdict);
  }

  return {
    accept: (tenant, message) => {
      const { processingDelayMs, processingJitterMs } = cloud.settings.tenant(tenant.tenantId).intune;
      const delayMs =
        processingDelayMs + (processingJitterMs > 0 ? random.integer(0, processingJitterMs) : 0);
      uploads.add(clock.now() + delayMs, { tenant, message });
      settleIn(delayMs);
    },
    settle,
  };
}
