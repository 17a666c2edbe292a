import type { Plan, Poisoning, Spell } from './plan.ts';
import type { Scene } from './scene.ts';

/** The faults of Jamf Pro and of Microsoft, as the plan has them. */
export interface StormWeather {
  readonly counts: { spells: number; poisonings: number };
  start(): void;
  /** Clears the sky: no fault is left, every device is cured. */
  lift(): void;
  /** Devices that are poisonous now. */
  poisoned(): number;
  /** Intune may have refused it for good, which only a replay ends: until the sky is clear. */
  wasPoisoned(deviceId: string): boolean;
  /** No fault is between devices of this instance and their tenant's Intune. */
  isClear(tenantId: string, instance: string): boolean;
}

export function createWeather({ world }: Pick<Scene, 'world'>, plan: Plan): StormWeather {
  const counts = { spells: 0, poisonings: 0 };
  const timers = new Set<NodeJS.Timeout>();
  const poisoned = new Set<Poisoning>();
  const everPoisoned = new Set<string>();
  const truth = Map.groupBy(world.fleet.truth(), (device) => device.tenantId);

  const at = (ms: number, act: () => void): void => {
    if (!Number.isFinite(ms)) return;
    const timer = setTimeout(() => {
      timers.delete(timer);
      act();
    }, ms);
    timers.add(timer);
  };
  const tenantId = (index: number): string => world.tenants[index]!.tenantId;
  const devicesOf = ({ places, tenant }: Poisoning): string[] => {
    const devices = truth.get(tenantId(tenant)) ?? [];
    return places.map((place) => devices[Math.floor(place * devices.length)]!.deviceId);
  };
  const applyPoison = (): void => {
    for (const [index, tenant] of world.tenants.entries()) {
      const poison = [...poisoned]
        .filter((poisoning) => poisoning.tenant === index)
        .flatMap((poisoning) =>
          devicesOf(poisoning).map((deviceId) => ({ deviceId, refusal: poisoning.refusal })),
        );
      Object.assign(world.cloud(tenant.cloud).settings.tenant(tenant.tenantId).intune, { poison });
    }
  };
  const play = ({ fault, forMs, tenant }: Spell): void => {
    counts.spells += 1;
    const { id } = world.faults.add({
      ...fault,
      ...(tenant === undefined ? {} : { tenant: tenantId(tenant) }),
    });
    at(forMs, () => world.faults.remove(id));
  };

  return {
    counts,
    start: () => {
      for (const spell of plan.weather) at(spell.atMs, () => play(spell));
      for (const poisoning of plan.poison) {
        at(poisoning.atMs, () => {
          counts.poisonings += 1;
          poisoned.add(poisoning);
          for (const deviceId of devicesOf(poisoning)) everPoisoned.add(deviceId);
          applyPoison();
        });
        at(poisoning.curedAtMs, () => {
          poisoned.delete(poisoning);
          applyPoison();
        });
      }
    },
    lift: () => {
      for (const timer of timers) clearTimeout(timer);
      timers.clear();
      world.faults.clear();
      poisoned.clear();
      everPoisoned.clear();
      applyPoison();
    },
    poisoned: () => [...poisoned].reduce((sum, { places }) => sum + places.length, 0),
    wasPoisoned: (deviceId) => everPoisoned.has(deviceId),
    isClear: (tenant, instance) =>
      !world.faults
        .list()
        .some((fault) =>
          fault.service.startsWith('jamf:')
            ? fault.service === `jamf:${instance}`
            : fault.tenant === undefined || fault.tenant === tenant,
        ),
  };
}
