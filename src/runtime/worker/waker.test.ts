import { expect, it } from 'vitest';
import { shardOf, type TenantScope } from '../../store/tenant-scope.ts';
import { createLog } from '../../telemetry/log.ts';
import { createWaker } from './waker.ts';

const tenantId = '0000002a-0000-4000-8000-000000000000';

function scene(shards: number, fails?: number) {
  const lines: string[] = [];
  const woken: [string, TenantScope][] = [];
  const after: Promise<unknown>[] = [];
  let nowMs = 0;
  const waker = createWaker({
    namespace: {
      idFromName: (name) => name,
      get: (id) => ({
        wake: async (scope) => {
          if (scope.shard === fails) throw new Error('it is away');
          woken.push([id, scope]);
        },
      }),
    },
    ...{ shards, after: (work) => void after.push(work), now: () => nowMs },
    log: createLog({ level: 'info', format: 'json', write: (line) => lines.push(line) }),
  });
  return { lines, waker, woken, after, pass: (ms: number) => (nowMs += ms) };
}

it("wakes the tenant's object, and not again while it looks by itself", async () => {
  const { after, pass, waker, woken } = scene(4);
  const scope = { shard: shardOf(tenantId, 4), of: 4 };
  for (let message = 0; message < 100; message += 1) waker.wake(tenantId);
  await Promise.all(after);
  expect(woken).toEqual([[`deliverer/${scope.shard}/4`, scope]]);
  // Another shard is woken for its own tenants.
  waker.wake('0000002b-0000-4000-8000-000000000000');
  expect(woken).toHaveLength(2);
  pass(250);
  waker.wake(tenantId);
  expect(woken).toHaveLength(3);
});

it('wakes whom a write of an operator may concern', async () => {
  const admin = 'https://admin.example.test';
  const wokenBy = async (method: string, path: string, status = 200): Promise<number> => {
    const { after, waker, woken } = scene(4);
    waker.wakeAfter({ method, url: admin + path }, { status });
    await Promise.all(after);
    return woken.length;
  };
  expect(await wokenBy('POST', `/api/v1/tenants/${tenantId}/resume`)).toBe(1);
  expect(await wokenBy('POST', `/tenants/${tenantId}/resume`, 303)).toBe(1);
  for (const path of ['/api/v1/reports/replay', '/reports/replay/start', '/api/v1/approvals/one/approve'])
    expect(await wokenBy('POST', path, 202)).toBe(4);
  for (const path of ['/api/v1/keys', '/api/v1/tenants', '/sign-in/key', '/api/v1/tenants/x/resume'])
    expect(await wokenBy('POST', path)).toBe(0);
  expect(await wokenBy('POST', '/api/v1/reports/replay', 403)).toBe(0);
  expect(await wokenBy('GET', `/api/v1/tenants/${tenantId}`)).toBe(0);
});

it('wakes all of them, and nobody where a Node process delivers', async () => {
  const { waker, woken } = scene(3);
  await waker.wakeAll();
  expect(woken.map(([name]) => name)).toEqual(['deliverer/0/3', 'deliverer/1/3', 'deliverer/2/3']);
  const without = createWaker({
    namespace: undefined,
    log: createLog({ level: 'info', format: 'json', write: () => undefined }),
    ...{ shards: 3, now: () => 0 },
    after: () => {
      throw new Error('there is nothing to wake');
    },
  });
  without.wake(tenantId);
  without.wakeAfter({ method: 'POST', url: 'https://admin.example.test/reports/replay' }, { status: 202 });
  await without.wakeAll();
});

it('wakes the others where one cannot be woken, and says which', async () => {
  const { lines, waker, woken } = scene(3, 1);
  await waker.wakeAll();
  expect(woken.map(([name]) => name)).toEqual(['deliverer/0/3', 'deliverer/2/3']);
  expect(lines.map((line) => JSON.parse(line))).toMatchObject([
    { event: 'deliverer.not-woken', shard: 1, of: 3, error: 'Error: it is away' },
  ]);
});
