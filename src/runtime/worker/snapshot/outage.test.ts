import { describe, expect, it } from 'vitest';
import { databaseReads, type ServedReads } from '../../../forwarding/served-reads.ts';
import type { Sql } from '../../../store/database.ts';
import type { Tenant } from '../../../store/tenants/tenant.ts';
import { createLog } from '../../../telemetry/log.ts';
import type { LastKnown } from './last-known.ts';
import { withLastKnown } from './outage.ts';

const tenantId = '0000002a-0000-4000-8000-000000000000';
const named = (displayName: string) => ({ tenantId, displayName }) as Tenant;
const failure = (code: string): Error => Object.assign(new Error(code), { code });

function scene() {
  const state = { nowMs: 0, isConfirmed: false, answers: [] as (Error | Tenant)[], reads: 0 };
  const reads: ServedReads = {
    ...databaseReads((() => undefined) as unknown as Sql),
    tenant: async () => {
      state.reads += 1;
      // The last answer stands.
      const answer = state.answers.length > 1 ? state.answers.shift() : state.answers[0];
      if (answer instanceof Error) throw answer;
      return answer;
    },
  };
  const lastKnown = {
    sheet: async () => ({ tenant: named('last known'), instances: [] }),
  } as unknown as LastKnown;
  const served = withLastKnown({
    ...{ reads, lastKnown, log: createLog({ level: 'info', format: 'json', write: () => undefined }) },
    isConfirmed: () => state.isConfirmed,
    now: () => state.nowMs,
  });
  return { state, read: async () => (await served.tenant(tenantId))?.displayName };
}

describe('what is served while the database cannot be reached', () => {
  it('is the last known state, and the database is asked again after half a second', async () => {
    const { read, state } = scene();
    state.answers = [failure('ECONNREFUSED')];
    expect(await read()).toBe('last known');
    const { reads } = state;
    state.answers = [named('current')];
    expect(await read()).toBe('last known');
    expect(state.reads).toBe(reads);
    state.nowMs = 500;
    expect(await read()).toBe('current');
    expect(await read()).toBe('current');
  });

  it('is not that for a single connection that was lost', async () => {
    const { read, state } = scene();
    state.answers = [failure('CONNECTION_CLOSED'), named('current')];
    expect(await read()).toBe('current');
  });

  it('is not that while the versions of the tenant are read from the database', async () => {
    const { read, state } = scene();
    state.isConfirmed = true;
    state.answers = [failure('CONNECTION_CLOSED'), failure('CONNECTION_CLOSED'), named('current')];
    expect(await read()).toBe('current');
    state.isConfirmed = false;
    state.answers = [failure('ECONNREFUSED')];
    expect(await read()).toBe('last known');
    state.isConfirmed = true;
    state.answers = [named('current')];
    expect(await read()).toBe('current');
  });

  it('is an error where only the versions can be read, and nobody waits for ever', async () => {
    const { read, state } = scene();
    state.isConfirmed = true;
    state.answers = [failure('CONNECTION_CLOSED')];
    await expect(read()).rejects.toMatchObject({ code: 'CONNECTION_CLOSED' });
    expect(state.reads).toBe(8);
  });

  it('hides no database that is back and refuses', async () => {
    const { read, state } = scene();
    state.answers = [failure('ECONNREFUSED')];
    expect(await read()).toBe('last known');
    state.nowMs = 500;
    state.answers = [failure('28P01')];
    await expect(read()).rejects.toMatchObject({ code: '28P01' });
    await expect(read()).rejects.toMatchObject({ code: '28P01' });
  });
});
