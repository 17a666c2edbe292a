import type { World, WorldOptions } from '../../src/simulator/world.ts';
import { firstVersion } from '../faults/versions.ts';
import { enrolTwins, nameAnswers, type Twin } from './twins.ts';

/** A tenant whose Macs two instances know. */

export const names = { from: 'berlin', to: 'paris' } as const;

export const twinWorld = (macs: number): Omit<WorldOptions, 'publicUrl'> => ({
  clouds: ['public'],
  tenants: [
    {
      instances: [
        { name: names.from, macs },
        { name: names.to, macs: 0 },
      ],
    },
  ],
});

/** To be called before any gateway looks at the instances. */
export function prepareTwins(world: World): Twin[] {
  for (const mac of world.fleet.macs()) world.fleet.updateInventory(mac, { osVersion: firstVersion });
  nameAnswers(world, [names.from, names.to]);
  return enrolTwins(world, names.from, names.to);
}

/** A push then says all: no instance has to be asked for a verdict. */
export const smartGroups = {
  compliance: {
    source: 'smart-group',
    applicableGroup: 'Device Compliance Applicable',
    complianceGroup: 'Device Compliance',
  },
};

export const manyCalls = {
  ESPALIER_RATE_PER_INSTANCE: '1000000',
  ESPALIER_RATE_PER_TENANT: '1000000',
  ESPALIER_VERIFY_SAMPLE: '0',
};
