import { expect, it } from 'vitest';
import type { Cloud } from '../../entra/clouds.ts';
import { defaultApiVersions } from '../../intune/api-versions.ts';
import type { DueReport, Settled } from '../../store/reports/report-row.ts';
import type { Tenant } from '../../store/tenants/tenant.ts';
import { createTurns } from '../../untrusted/turns.ts';
import { createCircuits } from '../stage/circuit.ts';
import type { ReportStageOptions } from './report-options.ts';
import { reportStage } from './report-stage.ts';

const backoff = { baseSeconds: 1, maxSeconds: 1 };
const acceptedReport = (at: number): DueReport =>
  ({
    tenantId: 'tenant',
    deviceId: `device-${at}`,
    state: 'accepted',
    messageId: `message-${at}`,
  }) as DueReport;

it('the calls of a lease begin in turns of the loop, not all at once', async () => {
  // A call that opens a connection takes a millisecond of the thread by this clock.
  let nowMs = 0;
  let begun = 0;
  const lots: number[] = [];
  let goesOn = true;
  const others = (): void => {
    lots.push(begun);
    begun = 0;
    if (goesOn) setImmediate(others);
  };
  setImmediate(others);
  const settled: Settled[] = [];
  const stage = reportStage({
    store: { settle: async (some: readonly Settled[]) => void settled.push(...some) },
    log: { warn: () => undefined },
    send: async () => {
      nowMs += 1;
      begun += 1;
      return { ok: false, failure: 'timeout', detail: 'no answer' };
    },
    turns: createTurns(() => nowMs),
    tenants: {
      tenant: async () =>
        ({ tenantId: 'tenant', cloud: 'public', connectionState: 'connected', hold: null }) as Tenant,
    },
    clouds: new Map([['public', {} as Cloud]]),
    microsoft: {
      intune: async () => ({ ok: true, accessToken: 'a', deviceService: 'https://intune.example' }),
      invalidate: () => undefined,
    },
    circuits: createCircuits({ backoff, now: () => 0, unbounded: 1_000 }),
    apiVersions: defaultApiVersions,
    timeoutMs: 1_000,
    wait: () => 1,
    now: () => 0,
    elapsedMs: () => 0,
    newId: () => 'id',
    uploadStatusSeconds: 5,
  } as unknown as ReportStageOptions);
  await Promise.all(Array.from({ length: 100 }, (_, at) => stage.work([acceptedReport(at)], 'holder')));
  goesOn = false;
  lots.push(begun);
  expect(settled).toHaveLength(100);
  expect(lots.reduce((sum, lot) => sum + lot, 0)).toBe(100);
  expect(Math.max(...lots)).toBe(1);
});
