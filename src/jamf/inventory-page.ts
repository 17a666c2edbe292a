import { isRecord } from '../untrusted/bounded-json.ts';
import { type ComputerResult, type JamfComputer, parseComputer } from './inventory.ts';
import type { InventoryVersion } from './inventory-version.ts';
import { type FieldError, readComputerId, readCount } from './wire-values.ts';

/** Records per page: Jamf's own default (domain/jamf.md 8). */
export const inventoryPageSize = 100;

/** The sections that routing and a device-compliance report need; a section not asked for comes as `null`. */
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
  /** Id of the computer, where at least that could be read: the computer can still be read on its own. */
  readonly jamfComputerId: string | undefined;
  readonly errors: readonly FieldError[];
}

export interface InventoryPage {
  readonly totalCount: number;
  readonly items: readonly InventoryItem[];
  readonly rejected: readonly RejectedRecord[];
  /** The ids of all records that have a readable one, in the order of the answer. */
  readonly ids: readonly number[];
  /** True when no page follows. */
  readonly last: boolean;
}

function pageQuery(wanted: readonly string[], page: number): URLSearchParams {
  const query = new URLSearchParams(wanted.map((section) => ['section', section]));
  query.set('page', String(page));
  query.set('page-size', String(inventoryPageSize));
  return query;
}

/**
 * The path of the page of computers that follows an id, lowest first. Always a first page: numbered pages shift when
 * a computer is deleted meanwhile, an id does not.
 */
export function inventoryAfterPath(version: InventoryVersion, afterId: number): string {
  const query = pageQuery(['GENERAL', 'LOCAL_USER_ACCOUNTS'], 0);
  query.set('sort', 'id:asc');
  query.set('filter', `id>"${afterId}"`);
  return `/api/v${version}/computers-inventory?${query}`;
}

/** True where the page holds the ids after this one, lowest first: a server may take a filter and not obey it. */
export function followsId(page: InventoryPage, afterId: number): boolean {
  let before = afterId;
  for (const id of page.ids) {
    if (id <= before) return false;
    before = id;
  }
  return page.last || page.ids.length > 0;
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
  const query = pageQuery(sections, page);
  query.set('sort', 'general.reportDate:asc,id:asc');
  if (changedSince !== undefined) {
    query.set('filter', `general.reportDate>"${changedSince.toISOString()}"`);
  }
  return `/api/v${version}/computers-inventory?${query}`;
}

/** Reads the envelope `{totalCount, results}`; a record that cannot be read never fails its page. */
export function readInventoryPage(body: unknown, page: number): InventoryPage | undefined {
  if (!isRecord(body) || !Array.isArray(body.results)) return undefined;
  const results: readonly unknown[] = body.results;
  const totalCount = readCount(body.totalCount);
  const items: InventoryItem[] = [];
  const rejected: RejectedRecord[] = [];
  const ids: number[] = [];
  for (const record of results) {
    const id = isRecord(record) ? readComputerId(record.id) : undefined;
    if (id !== undefined) ids.push(Number(id));
    const parsed: ComputerResult = parseComputer(record);
    if (parsed.ok) items.push({ computer: parsed.computer, warnings: parsed.warnings });
    else rejected.push({ jamfComputerId: id, errors: parsed.errors });
  }
  // Without a usable count a page that is not full is the last one.
  const seen = (page + 1) * inventoryPageSize;
  const last =
    results.length === 0 ||
    (totalCount === undefined ? results.length < inventoryPageSize : seen >= totalCount);
  return { totalCount: totalCount ?? results.length, items, rejected, ids, last };
}
