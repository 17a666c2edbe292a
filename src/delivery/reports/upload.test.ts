import { describe, expect, it } from 'vitest';
import { createMemoryReports } from '../../../test/harness/memory-report-store.ts';
import { leaseMs } from '../../limits.ts';
import type { Send } from '../../outbound/port.ts';
import type { DueReport } from '../../store/reports/report-row.ts';
import type { Tenant } from '../../store/tenants/tenant.ts';
import { atOnce } from '../../untrusted/turns.ts';
import type { ReportContent } from './report.ts';
import { type SendOptions, sendReports } from './upload.ts';

/** An open message goes again only from whoever holds the leases of all its reports. */
describe('an open message', () => {
  const tenantId = 't';
  const tenant = {
    ...{ tenantId, cloud: 'public', mode: 'device-compliance' },
    ...{ connectionState: 'connected', paused: false, hold: null },
  } as unknown as Tenant;
  const schedule = { tenantId, background: false };
  const content: ReportContent = {
    ...{ userId: 'u', deviceName: 'd', osVersion: '1', lastCheckInAt: null, reportedAt: null },
    ...{ managed: true, inventoryState: 0, verdict: 'compliant' },
  };

  function scene() {
    let nowMs = Date.UTC(2026, 0, 5);
    const now = (): number => nowMs;
    const reports = createMemoryReports(now);
    const store = reports.store(() => undefined);
    const sent: string[] = [];
    const send: Send = async ({ url }) => {
      sent.push(url);
      return { ok: false, failure: 'unreachable', detail: 'reset' };
    };
    const options = {
      ...{
        store,
        send,
        now,
        inTurn: atOnce,
        timeoutMs: 1_000,
        wait: () => 0,
        newId: () => crypto.randomUUID(),
      },
      log: { warn: () => undefined },
      metrics: { upload: () => undefined },
      circuits: { closedForMs: () => undefined, failed: () => undefined },
      microsoft: {
        intune: async () => ({ ok: true, accessToken: 'a', deviceService: 'https://intune.example' }),
        invalidate: () => undefined,
      },
      apiVersions: { DataUploadMessages: '1' },
      partial: { mayWait: () => true, whole: () => undefined },
    } as unknown as SendOptions;
    reports.setReports(tenantId, [{ deviceId: 'd', instanceId: 'i', content, traceparent: null }]);
    const lease = (holder: string): Promise<readonly DueReport[]> =>
      store.lease(holder, [{ schedule, limit: 1 }]);
    const work = (rows: readonly DueReport[], holder: string) => sendReports(rows, holder, tenant, options);
    const pass = (ms: number): void => {
      nowMs += ms;
    };
    return { lease, pass, rows: reports.rows, sent, work };
  }

  it('goes again with its id while its lease stands', async () => {
    const { lease, rows, sent, work } = scene();
    await work(await lease('p'), 'p');
    const [open] = rows();
    expect(open).toMatchObject({ messageOpen: true, leaseOwner: null });
    await work(await lease('q'), 'q');
    expect(sent).toHaveLength(2);
    expect(sent.every((url) => url.includes(`${open?.messageId}`))).toBe(true);
  });

  it('does not go again from a process whose lease another one has', async () => {
    const { lease, pass, rows, sent, work } = scene();
    await work(await lease('p'), 'p');
    const lost = await lease('p');
    pass(leaseMs + 1);
    await lease('q');
    await work(lost, 'p');
    expect(sent).toHaveLength(1);
    expect(rows()).toMatchObject([{ leaseOwner: 'q', messageOpen: true }]);
  });
});
