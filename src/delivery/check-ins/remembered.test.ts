import { describe, expect, it } from 'vitest';
import { createRemembered, type RememberedInstance } from './remembered.ts';

interface Of {
  readonly tenantId: string;
}
const instanceOf = (tenantId: string): RememberedInstance<Of> => ({ of: { tenantId }, computers: new Map() });
const at = (checkedInAtMs: number, endsAtMs: number) => ({ checkedInAtMs, endsAtMs });

describe('remembered check-ins', () => {
  it('come out once, when their period has ended and not before', () => {
    const remembered = createRemembered<Of>({ max: 10, slotMs: 100 });
    const one = instanceOf('a');
    remembered.add(one, 1, at(0, 1_000));
    remembered.add(one, 2, at(0, 2_000));
    expect(remembered.takeEnded(999)).toEqual([]);
    expect(remembered.takeEnded(1_000).map((end) => end.jamfComputerId)).toEqual([1]);
    expect(remembered.takeEnded(1_500)).toEqual([]);
    expect(remembered.takeEnded(60_000).map((end) => end.jamfComputerId)).toEqual([2]);
    expect(remembered.size()).toBe(0);
    expect(one.computers.size).toBe(0);
  });

  it('are one for a computer, of its last check-in', () => {
    const remembered = createRemembered<Of>({ max: 10, slotMs: 100 });
    const one = instanceOf('a');
    remembered.add(one, 1, at(0, 1_000));
    remembered.add(one, 1, at(400, 1_000));
    expect(remembered.size()).toBe(1);
    expect(remembered.takeEnded(1_100).map((end) => end.remembered)).toEqual([at(400, 1_000)]);
  });

  it('wait for the end of a later period where the computer was read meanwhile', () => {
    const remembered = createRemembered<Of>({ max: 10, slotMs: 100 });
    const one = instanceOf('a');
    remembered.add(one, 1, at(0, 1_000));
    remembered.add(one, 1, at(700, 1_600));
    expect(remembered.takeEnded(1_200)).toEqual([]);
    expect(remembered.takeEnded(1_600)).toHaveLength(1);
  });

  it('come out with the next look where their period ended before the last one', () => {
    const remembered = createRemembered<Of>({ max: 10, slotMs: 100 });
    expect(remembered.takeEnded(5_000)).toEqual([]);
    remembered.add(instanceOf('a'), 1, at(5_000, 4_000));
    expect(remembered.takeEnded(5_100)).toHaveLength(1);
  });

  it('of a storm of one tenant push out nobody, and leave room for the others', () => {
    const max = 1_000;
    const remembered = createRemembered<Of>({ max, slotMs: 100 });
    const [quiet, storm, later] = [instanceOf('quiet'), instanceOf('storm'), instanceOf('later')];
    for (let id = 1; id <= 100; id += 1) expect(remembered.add(quiet, id, at(0, 1_000))).toBe(true);
    let kept = 0;
    for (let id = 1; id <= 10 * max; id += 1) if (remembered.add(storm, id, at(0, 1_000))) kept += 1;
    expect(kept).toBeLessThanOrEqual(max / 2);
    expect(quiet.computers.size).toBe(100);
    for (let id = 1; id <= 100; id += 1) expect(remembered.add(later, id, at(0, 1_000))).toBe(true);
    expect(remembered.size()).toBeLessThanOrEqual(max);
    // What ends leaves its room.
    remembered.takeEnded(1_000);
    expect(remembered.add(storm, 1, at(1_000, 2_000))).toBe(true);
  });
});
