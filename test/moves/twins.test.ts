import { afterEach, expect, it, vi } from 'vitest';
import { parseComputer } from '../../src/jamf/inventory.ts';
import { renderComputer, sectionNames } from '../../src/simulator/jamf/inventory-versions.ts';
import { createWorld } from '../../src/simulator/world.ts';
import { names, prepareTwins, twinWorld } from './twin-world.ts';

afterEach(() => {
  vi.useRealTimers();
});

it('both records of a Mac tell the same, also where it enrols in the millisecond of its last report', async () => {
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() });
  const world = await createWorld({ ...twinWorld(200), publicUrl: 'https://localhost:1' });
  try {
    vi.setSystemTime(Date.now() + 1_000);
    const twins = prepareTwins(world);
    const told = (side: 'from' | 'to') =>
      twins.map((twin) => {
        const jamf = world.instance(names[side]);
        const context = { version: jamf.version(), groups: jamf.groups.list() };
        const record = renderComputer(twin[side], { version: 4, wanted: new Set(sectionNames(4)), context });
        const parsed = parseComputer(record);
        if (!parsed.ok) throw new Error('a twin has a record that cannot be read');
        const { jamfComputerId: _id, lastEnrolledAt: _enrolled, ...computer } = parsed.computer;
        return computer;
      });
    expect(told('to')).toEqual(told('from'));
  } finally {
    await world.close();
  }
});
