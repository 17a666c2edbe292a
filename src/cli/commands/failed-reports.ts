/** The advice where a command shows that Intune refused reports: they are not sent again before somebody asks. */

import { fieldOf, type Row } from '../output/fields.ts';

const adviceFor = (what: string, filter: string): string =>
  [
    `${what} failed: Intune refused ${what.startsWith('1 ') || what.startsWith('the ') ? 'it' : 'them'}.`,
    `  why, and what ends it: espalier reports causes --filter '${filter}'`,
    `  once the cause is gone: espalier reports replay --filter '${filter}'`,
  ].join('\n');

export function failedReportAdvice(device: Row): string | undefined {
  if (fieldOf(device, 'report.state') !== 'failed') return undefined;
  return adviceFor(
    'the report of this device',
    `state==failed;tenantId==${String(device.tenantId)};deviceId==${String(device.deviceId)}`,
  );
}

export function failedReportsAdvice(status: Row): string | undefined {
  const failed = fieldOf(status, 'reports.failed');
  if (typeof failed !== 'number' || failed === 0) return undefined;
  return adviceFor(
    failed === 1 ? '1 report' : `${failed} reports`,
    `state==failed;tenantId==${String(status.tenantId)}`,
  );
}
