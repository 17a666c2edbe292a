import { Pool } from 'undici';
import { type MacState, macEntities } from './fleet.ts';
import { type Pace, pace } from './pace.ts';
import { answerQuestions } from './worker.ts';
import type { BenchTenant } from './world.ts';

/** Delivery's peer: puts the same messages straight to Intune, and does nothing else. */

export interface UploadsPlan {
  readonly ca: string;
  readonly tenant: BenchTenant;
  /** Its number. */
  readonly tenantNumber: number;
  readonly devices: number;
  readonly devicesPerMessage: number;
  readonly connections: number;
  readonly state: MacState;
}

async function put(pool: Pool, plan: UploadsPlan, path: string, first: number): Promise<void> {
  const { devices, devicesPerMessage, state, tenant, tenantNumber } = plan;
  const count = Math.min(devicesPerMessage, devices - first);
  const nowIso = new Date().toISOString();
  const told = { ...state, lastUpdateTime: nowIso };
  const entities = Array.from({ length: count }, (_, index) =>
    macEntities(tenantNumber, tenant.tenantId, first + index, told),
  ).flat();
  const body = { TenantId: tenant.tenantId, UploadTime: nowIso, Content: JSON.stringify(entities) };
  const answer = await pool.request({
    method: 'PUT',
    path: `${path}(guid'${crypto.randomUUID()}')?api-version=1.2`,
    headers: { authorization: `Bearer ${tenant.token}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  const text = await answer.body.text();
  if (answer.statusCode !== 200 || !text.includes('"ErrorCode":202')) {
    throw new Error(`Intune answered ${answer.statusCode}: ${text.slice(0, 300)}`);
  }
}

answerQuestions(async (plan: UploadsPlan): Promise<Pace> => {
  const { ca, connections, devices, devicesPerMessage } = plan;
  const { origin, pathname } = new URL(plan.tenant.uploads);
  const pool = new Pool(origin, { connections, pipelining: 1, connect: { ca } });
  let next = 0;
  try {
    // A handshake is no upload: they are over before the clock starts.
    await Promise.all(
      Array.from({ length: connections }, () =>
        pool.request({ method: 'GET', path: '/' }).then(({ body }) => body.dump()),
      ),
    );
    return await pace(connections, Number.POSITIVE_INFINITY, async () => {
      const first = next;
      if (first >= devices) return false;
      next += devicesPerMessage;
      await put(pool, plan, pathname, first);
      return true;
    });
  } finally {
    await pool.destroy();
  }
});
