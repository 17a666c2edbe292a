import { describe, expect, it } from 'vitest';
import type { PutUploadResult } from '../../intune/uploads.ts';
import type { DueReport } from '../../store/reports/report-row.ts';
import type { Tenant } from '../../store/tenants/tenant.ts';
import type { ReportStageOptions } from './report-options.ts';
import { settlementOfUpload } from './upload-outcome.ts';

/** These cases need no other part of the stage: how often devices are tried together. */

const options = {
  now: () => 0,
  wait: (attempts: number) => attempts,
  circuits: { silence: () => undefined },
} as unknown as ReportStageOptions;
const rowOf = (deviceId: string, attempts: number) =>
  ({ deviceId, attempts, sentRevision: 1, revision: 1 }) as DueReport;

const settle = async (result: PutUploadResult, attempts: number, devices: number) => {
  const rows = Array.from({ length: devices }, (_, index) => rowOf(`d${index}`, attempts));
  const message = { messageId: 'm', rows, body: { TenantId: 't', UploadTime: '', Content: '' } };
  const of = await settlementOfUpload(message, result, {} as Tenant, options, async () => ({
    outcome: 'unknown',
    detail: '',
  }));
  return rows.map(of);
};

const own: PutUploadResult = { outcome: 'refused', code: '500', detail: 'oops', httpStatus: 200 };
const outage: PutUploadResult = { outcome: 'unavailable', detail: 'oops', httpStatus: 500 };
const unclear: PutUploadResult = { outcome: 'unclear', detail: 'reset' };

describe('a message that fails again and again', () => {
  it.each([
    ['as an error of Intune inside HTTP 200', own, 2],
    ['as an error of Intune', outage, 2],
    ['without an answer', unclear, 4],
  ] as const)('%s is taken apart, for one device may be why', async (_, result, tries) => {
    for (const found of await settle(result, tries - 1, 2)) expect(found.alone).toBeUndefined();
    for (const found of await settle(result, tries, 2)) {
      expect(found).toMatchObject({
        state: 'due',
        alone: true,
        messageOpen: false,
        waitSeconds: 0,
        attempts: 0,
      });
    }
    const [alone] = await settle(result, tries, 1);
    expect(alone).toMatchObject({ waitSeconds: tries + 1, attempts: tries + 1 });
  });

  it('is refused at once for all of several devices, and failed for one', async () => {
    const refused: PutUploadResult = { outcome: 'refused', code: '400', detail: 'no', httpStatus: 200 };
    for (const found of await settle(refused, 0, 3))
      expect(found).toMatchObject({ state: 'due', alone: true });
    expect(await settle(refused, 0, 1)).toMatchObject([{ state: 'failed', waitSeconds: null }]);
  });
});
