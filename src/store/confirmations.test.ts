import { describe, expect, it } from 'vitest';
import { createRouteLookup } from '../routing/lookup.ts';
import type { Confirmations } from './confirmations.ts';
import { createCredentialLookup } from './credentials.ts';
import type { Sql } from './database.ts';
import { createRowCache } from './row-cache.ts';

/** Caches that go by confirmations: each looks once for as long as these say, and asks for the version before it looks again. */

const tenantId = '0000002a-0000-4000-8000-000000000000';

function scene() {
  const state = { nowMs: 0, reads: 0, heldFromMs: 0, confirmedWhenAsked: false, asked: [] as string[] };
  const held: [string, string | undefined][] = [];
  const confirmations: Confirmations = {
    now: () => {
      state.nowMs += 0.001;
      return state.nowMs;
    },
    holds: (tenant, readAtMs, deviceId) => {
      held.push([tenant, deviceId]);
      return readAtMs >= state.heldFromMs;
    },
    ask: async (tenant) => {
      state.asked.push(tenant);
      if (state.confirmedWhenAsked) state.heldFromMs = 0;
    },
  };
  const read = async () => {
    state.reads += 1;
    return { instanceId: 'i', jamfComputerId: state.reads, tenantId };
  };
  return { confirmations, held, read, state };
}

type Made = ReturnType<typeof scene>;

const caches: Record<string, (made: Made) => () => Promise<unknown>> = {
  rows: ({ confirmations, read }) => {
    const rows = createRowCache({ read, maxRows: 9, now: confirmations.now, confirmations });
    return () => rows.get(`${tenantId}/i`);
  },
  routes: ({ confirmations, read }) => {
    const onLookup = () => undefined;
    const routes = createRouteLookup({
      sql: undefined as unknown as Sql,
      read,
      entries: 9,
      onLookup,
      confirmations,
    });
    return () => routes.route(tenantId, 'd');
  },
  credentials: ({ confirmations, read }) => {
    const keys = createCredentialLookup<{ tenantId: string }>({
      sharing: 'request',
      read: async ([hash = '']) => new Map([[hash, await read()]]),
      confirmed: { by: confirmations, tenantOf: (found) => found.tenantId },
    });
    return () => keys.find('h');
  },
};

describe.each(Object.entries(caches))('%s that go by confirmations', (name, create) => {
  it('are looked for once while they hold, however long', async () => {
    const made = scene();
    const look = create(made);
    await look();
    made.state.nowMs += 3_600_000;
    await look();
    expect(made.state.reads).toBe(1);
    expect(made.held.at(-1)).toEqual([tenantId, name === 'routes' ? 'd' : undefined]);
  });

  it('are served again where the version, once asked for, is the same', async () => {
    const made = scene();
    const look = create(made);
    await look();
    Object.assign(made.state, { heldFromMs: 1_000, confirmedWhenAsked: true, asked: [] });
    await look();
    expect(made.state).toMatchObject({ reads: 1, asked: [tenantId] });
  });

  it('are looked for anew where it is not, and where nobody can say', async () => {
    const made = scene();
    const look = create(made);
    await look();
    Object.assign(made.state, { heldFromMs: 1_000, nowMs: 2_000 });
    await look();
    expect(made.state.reads).toBe(2);
    await look();
    expect(made.state.reads).toBe(2);
  });
});
