import { describe, expect, it } from 'vitest';
import type { Claim } from '../../store/claims/claim.ts';
import type { Route } from '../../store/routes/routes.ts';
import { turnBack, turnOver } from './standing.ts';

const places = { fromInstanceId: 'a', toInstanceId: 'b' };
const at = new Date(1_000);
const device = { deviceId: 'd', fromJamfComputerId: 1, toJamfComputerId: 7, placedAt: null };
const claim = (instanceId: string, jamfComputerId: number): Claim => ({
  instanceId,
  jamfComputerId,
  lastEnrolledAt: null,
  lastCheckInAt: null,
  serialNumber: 'S',
  udid: 'U',
});
const route = (more: Partial<Route>): Route => ({
  deviceId: 'd',
  instanceId: 'a',
  jamfComputerId: 1,
  pinned: false,
  placedAt: null,
  rule: 'only-claim',
  version: 1,
  ...more,
});

describe('a device whose turn has come', () => {
  it('goes to the computer that the target claims it on now, not to the one of the plan', () => {
    expect(turnOver(device, route({}), places, claim('b', 8), undefined, at)).toEqual({
      kind: 'place',
      to: {
        ...{ instanceId: 'b', jamfComputerId: 8, serialNumber: 'S', udid: 'U' },
        ...{ pinned: false, rule: 'moved', placedAt: at },
      },
    });
  });

  it.each([
    ['left', undefined],
    ['left', route({ instanceId: 'c' })],
    ['pinned', route({ pinned: true })],
    ['not-claimed', route({})],
  ] as const)('is skipped: %s', (reason, now) => {
    expect(turnOver(device, now, places, undefined, undefined, at)).toEqual({ kind: 'skip', reason });
  });

  it('goes to the computer that was found by its names where it is not claimed', () => {
    const turn = turnOver(device, route({}), places, undefined, { serialNumber: 'S', udid: null }, at);
    expect(turn).toMatchObject({ kind: 'place', to: { jamfComputerId: 7, serialNumber: 'S' } });
  });
});

describe('a device on its way back', () => {
  const moved = route({ instanceId: 'b', jamfComputerId: 7, rule: 'moved', placedAt: at });

  it('goes to the computer that had it', () => {
    expect(turnBack(device, moved, places, claim('a', 1), at)).toMatchObject({
      kind: 'place',
      to: { instanceId: 'a', jamfComputerId: 1, rule: 'rolled-back', placedAt: at },
    });
  });

  it.each([
    ['an enrolment', route({ instanceId: 'b', jamfComputerId: 7, rule: 'newest-enrolment' })],
    ['a person', route({ instanceId: 'b', jamfComputerId: 7, rule: 'placed', placedAt: at })],
    ['another computer', route({ instanceId: 'b', jamfComputerId: 8, rule: 'moved' })],
    ['another instance', route({ instanceId: 'c', jamfComputerId: 7, rule: 'moved' })],
    ['nobody', undefined],
  ])('stays where %s took it since', (_, now) => {
    expect(turnBack(device, now, places, claim('a', 1), at)).toEqual({ kind: 'skip', reason: 'left' });
  });

  it('stays when its computer has let go of it, unless a person had placed it there', () => {
    expect(turnBack(device, moved, places, undefined, at)).toEqual({ kind: 'skip', reason: 'not-claimed' });
    expect(turnBack({ ...device, placedAt: at }, moved, places, undefined, at)).toMatchObject({
      kind: 'place',
    });
  });
});
