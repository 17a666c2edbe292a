/** Says whether a state is worse than the one that Intune was told last: what may lock a person out. Pure. */

import type { Worsening } from '../../store/reports/brake.ts';
import type { DueReport } from '../../store/reports/report-row.ts';
import type { ReportContent } from './report.ts';

interface ToldEntity {
  readonly DeviceManagementState?: string;
  readonly complianceStatus?: string;
}

/** As much of a report that may be told (`ReportedDevice` of message.ts) as counts here. */
export interface ToldAndNow {
  readonly row: Pick<DueReport, 'sentContent' | 'retracted'>;
  readonly content: Pick<ReportContent, 'managed'>;
  readonly compliant: boolean | undefined;
}

const toldOf = ({ sentContent }: Pick<DueReport, 'sentContent'>): readonly ToldEntity[] =>
  JSON.parse(sentContent ?? '[]') as readonly ToldEntity[];

/** What the last message said of the device decides: what was never told cannot become worse. */
export function worseningFrom(
  told: readonly ToldEntity[],
  now: { readonly managed: boolean; readonly compliant: boolean | undefined },
): Worsening | undefined {
  const has = (member: keyof ToldEntity, value: string) => told.some((entity) => entity[member] === value);
  if (!now.managed) return has('DeviceManagementState', 'managed') ? 'unmanaged' : undefined;
  return now.compliant === false && has('complianceStatus', 'compliant') ? 'not-compliant' : undefined;
}

/**
 * Undefined: not worse. An operator's retraction is a person's decision, so it is none either. The text of the last message
 * is read only where the new state is a bad one, which few are.
 */
export function worseningOf({ compliant, content, row }: ToldAndNow): Worsening | undefined {
  if (row.retracted || (content.managed && compliant !== false)) return undefined;
  return worseningFrom(toldOf(row), { managed: content.managed, compliant });
}
