/** Refuses what the present pressure refuses (pressure.ts) on the data listener, before anything of it is read. */

import type { Hono } from 'hono';
import type { ListenerEnv } from './listener.ts';
import type { Pressure, RequestClass } from './pressure.ts';

/** A webhook is refused by its own route, which knows whom to mark (jamf.ts). */
const classes: Readonly<Record<string, RequestClass>> = {
  '/jamf/:instanceId/inventory': 'push',
  '/t/:tenantId/notifications': 'notification',
  '/t/:tenantId/enroll': 'page',
  '/t/:tenantId/remediate': 'page',
  '/microsoft/consent': 'page',
  '/t/:tenantId/devices/*': 'call',
};

/** To be called before the routes are added. */
export function shedUnderPressure(app: Hono<ListenerEnv>, pressure: Pressure): void {
  for (const [path, of] of Object.entries(classes)) {
    app.use(path, async (_, next) => {
      pressure.admit(of);
      await next();
    });
  }
}
