import { Hono } from 'hono';
import { expect, test } from 'vitest';
import type { ListenerEnv } from './listener.ts';
import { Pressure, type PressureLevel } from './pressure.ts';
import { shedUnderPressure } from './shedding.ts';

test.each([
  ['POST', '/jamf/1/inventory', 1],
  ['POST', '/t/1/notifications', 1],
  ['GET', '/t/1/enroll', 2],
  ['GET', '/t/1/remediate', 2],
  ['GET', '/microsoft/consent', 2],
  ['GET', '/t/1/devices/2/compliance', 4],
  ['GET', '/t/1/devices/2/jamf/api/v1/anything', 4],
] as const)('%s %s is refused from level %i on', async (method, path, from) => {
  const statusAt = async (level: PressureLevel): Promise<number> => {
    const app = new Hono<ListenerEnv>();
    const pressure = new Pressure();
    pressure.level = level;
    pressure.ownLevel = level;
    app.onError((_, c) => c.body(null, 503));
    shedUnderPressure(app, pressure);
    app.all('*', (c) => c.body(null, 200));
    return (await app.request(path, { method })).status;
  };
  expect([await statusAt((from - 1) as PressureLevel), await statusAt(from)]).toEqual([200, 503]);
});
