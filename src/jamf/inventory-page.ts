import { type ComputerResult, type JamfComputer, parseComputer } from './inventory.ts';
import type { InventoryVersion } from './inventory-version.ts';
import { type FieldError, isRecord, readComputerId } from './wire-values.ts';

/** Records per page: Jamf's own default (domain/jamf.md 8). */
export const inventoryPageSize = 100;

/** What routing and a device-compliance report need; a section not asked for comes as `null`. */
const sections = [
  'GENERAL',
  'HARDWARE',
  'OPERATING_SYSTEM',
  'LOCAL_USER_ACCOUNTS',
  'GROUP_MEMBERSHIPS',
] as const;

export interface InventoryItem {
  readonly computer: JamfComputer;
  readonly warnings: readonly FieldError[];
}

export interface RejectedRecord {
  /** When at least that could be read: the computer can still be read on its own. */
  readonly jamfComputerId: string | undefined;
  readonly errors: readonly FieldError[];
}

export interface InventoryPage {
  readonly totalCount: number;
  readonly items: readonly InventoryItem[];
  readonly rejected: readonly RejectedRecord[];
  /** True when no page follows. */
  readonly last: boolean;
}

/**
 * The path of one page of computers, oldest report first, equal times by id, so that pages do not overlap. With
 * `changedSince` only those whose report is later (RSQL, domain/jamf.md 8).
 */
export function inventoryPagePath(
  version: InventoryVersion,
  changedSince: Date | undefined,
  page: number,
): string {
  const query = new URLSearchParams(sections.map((section) => ['section', section]));
  query.set('page', String(page));
  query.set('page-size', String(inventoryPageSize));
  query.set('sort', 'general.reportDate:asc,id:asc');
  if (changedSince !== undefined) {
    query.set('filter', `general.reportDate>"${changedSince.toISOString()}"`);
  }
  return `/api/v${version}/computers-inventory?${query}`;
}

/** Reads the envelope `{totalCount, results}`; a record that cannot be read never fails its page. */
export function readInventoryPage(body: unknown, page: number): InventoryPage | undefined {
  if (!isRecord(body) || !Array.isArray(body.results) || typeof body.totalCount !== 'number')
    return undefined;
  const results: readonly unknown[] = body.results;
  const items: InventoryItem[] = [];
  const rejected: RejectedRecord[] = [];
  for (const record of results) {
    const parsed: ComputerResult = parseComputer(record);
    if (parsed.ok) items.push({ computer: parsed.computer, warnings: parsed.warnings });
    else {
      const jamfComputerId = isRecord(record) ? readComputerId(record.id) : undefined;
      rejected.push({ jamfComputerId, errors: parsed.errors });
    }
  }
  const last = results.length === 0 || (page + 1) * inventoryPageSize >= body.totalCount;
  return { totalCount: body.totalCount, items, rejected, last };
}
