import type { DeviceTruth } from '../../src/simulator/fleet.ts';
import type { World } from '../../src/simulator/world.ts';
import { versionOf } from './versions.ts';

/** A device of which Intune does not hold the newest state of its instance. */
export interface Behind {
  readonly truth: DeviceTruth;
  readonly wanted: string;
  readonly told: string;
}

const wantedOf = ({ compliant, deviceName, managed, osVersion }: DeviceTruth): string =>
  JSON.stringify({
    osVersion,
    deviceName,
    compliance: compliant === null ? null : compliant ? 'compliant' : 'notCompliant',
    management: managed ? 'managed' : 'notManaged',
  });

function reportedOf(world: World, { deviceId, tenantId }: DeviceTruth): string {
  const { cloud } = world.tenants.find((tenant) => tenant.tenantId === tenantId)!;
  const device = world.cloud(cloud).intune.tenant(tenantId).devices.get(deviceId);
  const last = device?.history.at(-1);
  return JSON.stringify({
    osVersion: last?.osVersion ?? null,
    deviceName: last?.deviceName ?? null,
    compliance: device?.complianceStatus ?? null,
    management: device?.deviceManagementState ?? null,
  });
}

/** The devices whose state in Intune is not the newest one that their instance has: empty when all is told. */
export function findBehind(world: World): Behind[] {
  for (const cloud of world.clouds) cloud.settle();
  return world.fleet.truth().flatMap((truth): Behind[] => {
    const [wanted, told] = [wantedOf(truth), reportedOf(world, truth)];
    return wanted === told ? [] : [{ truth, wanted, told }];
  });
}

/** States that took effect after a newer one had. */
export function findAppliedBackwards(world: World): string[] {
  return world.tenants.flatMap(({ cloud, tenantId }) =>
    [...world.cloud(cloud).intune.tenant(tenantId).devices.values()].flatMap(({ deviceId, history }) => {
      const versions = history.map((state) => versionOf(state.osVersion) ?? 0);
      const falls = versions.some((version, index) => version < (versions[index - 1] ?? 0));
      return falls ? [`${deviceId}: versions ${versions.join(', ')}`] : [];
    }),
  );
}
