import type { JoinedInstance } from './demo-instances.ts';
import type { DemoContext, DemoTruth } from './demo-world.ts';

/** Progress of the fleet's devices, each stage within the ones before it. */
export interface DemoProgress {
  readonly devices: number;
  /** Devices routed to the instance that truly manages the Mac. */
  readonly routed: number;
  /** Sent to Intune in this run. */
  readonly uploaded: number;
  readonly completed: number;
  /** Entra shows it, as the gateway says. */
  readonly verified: number;
  /** Devices that are not there yet, with what the gateway says of them. */
  readonly missing: readonly { readonly truth: DemoTruth; readonly state: string }[];
}

/** A device of the admin API (contract.md 8), as far as the demo reads it. */
export interface Device {
  readonly deviceId: string;
  readonly instanceId: string;
  readonly jamfComputerId: string;
  readonly report: {
    readonly state: string;
    readonly reason: string | null;
    readonly detail: string | null;
    readonly reportedAt: string | null;
    readonly sentAt: string | null;
    readonly completedAt: string | null;
  } | null;
}

// The longest page of the admin API (contract.md 8).
const pageSize = 2000;

export const deviceKey = (tenantId: string, deviceId: string): string =>
  `${tenantId} ${deviceId}`.toLowerCase();

async function readDevices({ admin }: DemoContext, tenantId: string): Promise<Device[]> {
  const devices: Device[] = [];
  for (let page = 0; ; page += 1) {
    const path = `/tenants/${tenantId}/devices?page=${page}&page-size=${pageSize}`;
    const { body } = await admin.call<{ totalCount: number; results: Device[] }>('GET', path);
    devices.push(...body.results);
    if (body.results.length === 0 || devices.length >= body.totalCount) return devices;
  }
}

export interface Stages {
  readonly routed: boolean;
  readonly uploaded: boolean;
  readonly completed: boolean;
  readonly verified: boolean;
  readonly state: string;
}

/** `since`, milliseconds since the epoch: what is older belongs to an earlier run on this data directory. */
export function stagesOf(
  device: Device | undefined,
  truth: DemoTruth,
  expected: string | undefined,
  since: number,
): Stages {
  const none = { routed: false, uploaded: false, completed: false, verified: false };
  if (!device) return { ...none, state: 'not routed' };
  const routed = device.instanceId === expected && device.jamfComputerId === String(truth.jamfComputerId);
  if (!routed) return { ...none, state: `routed to ${device.instanceId} ${device.jamfComputerId}` };
  const { report } = device;
  if (!report) return { ...none, routed, state: 'no report' };
  const isAfter = (time: string | null): boolean => time !== null && Date.parse(time) >= since;
  if (!isAfter(report.reportedAt)) return { ...none, routed, state: 'no report of this run' };
  const state = [report.state, report.reason, report.detail].filter(Boolean).join(' - ');
  const verified = report.state === 'verified';
  const completed = verified || (report.state === 'completed' && isAfter(report.completedAt));
  const uploaded = completed || (isAfter(report.sentAt) && ['sent', 'accepted'].includes(report.state));
  return { routed, uploaded, completed, verified, state };
}

/** Asks the admin API about every device of the fleet's truth. */
export async function readProgress(
  context: DemoContext,
  truth: readonly DemoTruth[],
  joined: readonly JoinedInstance[],
): Promise<DemoProgress> {
  const devices = new Map<string, Device>();
  for (const { tenantId } of context.world.tenants) {
    for (const device of await readDevices(context, tenantId))
      devices.set(deviceKey(tenantId, device.deviceId), device);
  }
  const instanceIds = new Map(joined.map(({ instance, instanceId }) => [instance.name, instanceId]));
  const stages = truth.map((one) => ({
    truth: one,
    ...stagesOf(
      devices.get(deviceKey(one.tenantId, one.deviceId)),
      one,
      instanceIds.get(one.instance),
      context.startedAtMs,
    ),
  }));
  const count = (stage: 'routed' | 'uploaded' | 'completed' | 'verified'): number =>
    stages.filter((entry) => entry[stage]).length;
  return {
    devices: truth.length,
    routed: count('routed'),
    uploaded: count('uploaded'),
    completed: count('completed'),
    verified: count('verified'),
    missing: stages
      .filter(({ verified }) => !verified)
      .map(({ state, truth: one }) => ({ truth: one, state })),
  };
}

export const progressLine = ({ completed, devices, routed, uploaded, verified }: DemoProgress): string =>
  `routed ${routed}/${devices}  uploaded ${uploaded}  completed ${completed}  verified ${verified}`;

interface ShownDevice {
  readonly deviceId: string;
  readonly entra: { readonly isCompliant: boolean | null };
}

/** Devices for which the simulated Entra does not show what Jamf truly says of the Mac. */
export async function findWrongVerdicts(
  context: DemoContext,
  truth: readonly DemoTruth[],
): Promise<DemoTruth[]> {
  const shown = new Map<string, boolean | null>();
  for (const { tenantId } of context.world.tenants) {
    const path = `/microsoft/tenants/${tenantId}/devices`;
    const { body } = await context.control.call<{ devices: ShownDevice[] }>('GET', path);
    for (const { deviceId, entra } of body.devices)
      shown.set(deviceKey(tenantId, deviceId), entra.isCompliant);
  }
  return truth.filter(
    ({ compliant, deviceId, tenantId }) => shown.get(deviceKey(tenantId, deviceId)) !== compliant,
  );
}
