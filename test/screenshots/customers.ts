import type { WorldOptions, WorldTenantOptions } from '../../src/simulator/world.ts';

/** The customers of an invented service provider, each with something that its engineer meets in a week. */

const customer = (
  displayName: string,
  instances: readonly (readonly [name: string, macs: number])[],
  cloud = 'public',
): WorldTenantOptions => ({
  displayName,
  cloud,
  instances: instances.map(([name, macs]) => ({ name, macs, compliantShare: 0.85 })),
});

const customers = [
  // A move from Hamburg to Rotterdam is under way, Gdynia does not answer.
  customer('Bergmann Logistik', [
    ['hamburg', 30],
    ['rotterdam', 4],
    ['gdynia', 6],
  ]),
  // Some reports failed.
  customer('Hôpital Saint-Luc', [['saint-luc', 14]]),
  // Intune's licence ran out.
  customer('Ridgeway School District', [['ridgeway', 9]]),
  // One of its instances is to be deleted, which waits for a second operator.
  customer('Kestrel Insurance', [
    ['london', 12],
    ['leeds', 3],
  ]),
  // Its webhook key runs out.
  customer('Alder & Finch Architects', [['alder', 6]]),
  customer('Maison Lavigne', [['lyon', 5]]),
  customer('Blackwood Legal', [['blackwood', 8]]),
  customer('Tidewater Credit Union', [['tidewater', 7]], 'usgov'),
  customer('Verde Foods', [['verde', 6]]),
  // Its administrator gave one consent of two.
  customer('Nordlys Energi', []),
  // Intune ended its connection.
  customer('Harbour City Council', [['harbour', 5]]),
];

export const showroomWorld: Omit<WorldOptions, 'publicUrl'> = {
  seed: 14,
  clouds: ['public', 'usgov'],
  tenants: customers,
};
