import { randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { findPacked, packedRouteBytes, packRoutes } from './packed-routes.ts';

describe('packed routes', () => {
  const routes = Array.from({ length: 1_000 }, (_, number) => ({
    deviceId: randomUUID(),
    instanceId: randomUUID(),
    jamfComputerId: number - 2,
  })).sort((a, b) => (a.deviceId < b.deviceId ? -1 : 1));

  it('finds each route and no other device', () => {
    const packed = packRoutes(routes);
    expect(packed).toHaveLength(routes.length * packedRouteBytes);
    for (const { deviceId, instanceId, jamfComputerId } of routes)
      expect(findPacked(packed, deviceId)).toEqual({ instanceId, jamfComputerId });
    for (let count = 0; count < 100; count += 1) expect(findPacked(packed, randomUUID())).toBeUndefined();
  });

  it('finds at both ends, in either case, and where it begins anywhere in a buffer', () => {
    const ends = ['00000000-0000-0000-0000-000000000000', 'ffffffff-ffff-ffff-ffff-ffffffffffff'].map(
      (deviceId, number) => ({ deviceId, instanceId: randomUUID(), jamfComputerId: number }),
    );
    const packed = packRoutes(ends);
    const moved = new Uint8Array(packed.length + 3);
    moved.set(packed, 3);
    for (const { deviceId, instanceId, jamfComputerId } of ends)
      expect(findPacked(moved.subarray(3), deviceId.toUpperCase())).toEqual({ instanceId, jamfComputerId });
  });

  it('finds nothing where there is nothing, or no GUID', () => {
    expect(findPacked(packRoutes([]), randomUUID())).toBeUndefined();
    expect(findPacked(packRoutes(routes), 'device')).toBeUndefined();
  });
});
