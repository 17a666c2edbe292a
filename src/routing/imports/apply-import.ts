import { importLockMs, importPage } from '../../limits.ts';
import { ProblemError, problem } from '../../problems.ts';
import { feedRoutes } from '../../store/change-source.ts';
import { isStoreUnavailable, type Queries, type Sql, type Transaction } from '../../store/database.ts';
import { withRetries } from '../../store/retry.ts';
import { recordImported } from '../../store/routes/imported-reads.ts';
import { type Authorship, nextVersion } from '../../store/routes/routes.ts';
import { lockTenantRoutes } from '../resolve.ts';
import {
  createPlan,
  type PlannedChange,
  planPage,
  readPlanned,
  writeDescriptions,
  writePlanned,
} from './apply-page.ts';
import { lastPlace, type StagedPage } from './staged-rows.ts';
import { planSteadily } from './steady-plans.ts';

/**
 * Staged rows become routes. `partial`: page by page, each a transaction and a version of its own, so that intake waits
 * for a page at most and not for all of them. `atomic`: all pages in one transaction, as one version.
 */

export type ImportMode = 'partial' | 'atomic';

export interface Applied {
  /** Routes that are others now. */
  readonly changed: number;
  /** Routes of which only the serial number or UDID is another one. */
  readonly noted: number;
  /** The table just before the first change, and with the last one; undefined where nothing changed. */
  readonly versionBefore: number | undefined;
  readonly version: number | undefined;
}

export interface ImportRequest {
  readonly tenantId: string;
  readonly mode: ImportMode;
  readonly by: Authorship;
  /** The instances that rows name. */
  readonly instanceIds: readonly string[];
  /** Writes what is to be remembered of the import, with its first change (`partial`) or its last (`atomic`). */
  readonly record: (tx: Transaction, so: Applied) => Promise<void>;
  /** Routes are committed. */
  readonly onCommit: () => void;
  /** Rows that were looked at so far. */
  readonly onRows: (rows: number) => void;
}

const untouched: Applied = { changed: 0, noted: 0, versionBefore: undefined, version: undefined };

/** A deadlock, another order, or a lock that another import of the tenant held: the rows are still staged. */
const mayPass = (error: unknown): boolean =>
  ['40P01', '40001', '55P03'].includes((error as { code?: string } | null)?.code ?? '');

const turn = <T>(sql: Sql, work: (tx: Transaction) => Promise<T>): Promise<T> =>
  withRetries(async () => (await sql.begin(work)) as T, mayPass);

async function settings(tx: Transaction): Promise<void> {
  await tx`select set_config('lock_timeout', ${String(importLockMs)}, true)`;
  await planSteadily(tx);
}

/** The tenant's lock, and the instances as they were when the rows were checked. */
async function begin(tx: Transaction, { instanceIds, tenantId }: ImportRequest): Promise<void> {
  await settings(tx);
  await lockTenantRoutes(tx, tenantId);
  const found = await tx`
    select instance_id from instances where tenant_id = ${tenantId} and instance_id = any(${[...instanceIds]}::uuid[])
    order by instance_id for key share`;
  if (found.length < instanceIds.length) {
    throw new ProblemError(
      problem('conflict', 'An instance that the file names was removed meanwhile; send the file again.'),
    );
  }
}

async function applyPage(
  tx: Transaction,
  { by, tenantId }: ImportRequest,
  page: StagedPage,
  before: Applied,
  version: number | undefined,
): Promise<Applied> {
  const counts = await planPage(tx, tenantId, page);
  if (counts.note > 0) await writeDescriptions(tx, tenantId);
  const noted = before.noted + counts.note;
  const changes = counts.place + counts.unpin;
  if (changes === 0) return { ...before, noted };
  const next = version ?? (await nextVersion(tx, tenantId));
  await writePlanned(tx, tenantId, counts, next, by);
  return {
    noted,
    changed: before.changed + changes,
    versionBefore: before.versionBefore ?? next - 1,
    version: next,
  };
}

/** Lets the other processes hear of what the transaction changed, and has the computers read. */
async function end(tx: Transaction, tenantId: string, before: Applied, after: Applied): Promise<void> {
  const changes = after.changed - before.changed;
  if (after.version === undefined || changes === 0) return;
  await feedRoutes(tx, tenantId, after.version, changes);
  await recordImported(tx, tenantId, after.version);
}

/** Calls `work` with page after page. */
async function throughout(
  sql: Queries,
  onRows: (rows: number) => void,
  work: (page: StagedPage) => Promise<void>,
): Promise<void> {
  const last = await lastPlace(sql);
  for (let after = 0; after < last; after += importPage) {
    await work({ after, upTo: after + importPage });
    onRows(Math.min(after + importPage, last));
  }
}

/** A client that hears this may send the file again: what is there changes nothing. */
const interrupted = ({ changed }: Applied, rows: number): ProblemError =>
  new ProblemError(
    problem(
      'store-unavailable',
      `The database went away after ${rows} rows, of which ${changed} changed a route. Send the file again: what is there already changes nothing.`,
      { retryAfterSeconds: 5 },
    ),
  );

async function applyPartially(sql: Sql, request: ImportRequest): Promise<Applied> {
  const { onCommit, onRows, record, tenantId } = request;
  let state = untouched;
  let rows = 0;
  const count = (done: number): void => {
    rows = done;
    onRows(done);
  };
  const apply = async (page: StagedPage): Promise<void> => {
    const after = await turn(sql, async (tx) => {
      await begin(tx, request);
      const now = await applyPage(tx, request, page, state, undefined);
      await end(tx, tenantId, state, now);
      if (state.changed + state.noted === 0 && now.changed + now.noted > 0) await record(tx, now);
      return now;
    });
    if (after.changed > state.changed) onCommit();
    state = after;
  };
  try {
    await throughout(sql, count, apply);
  } catch (error) {
    throw rows > 0 && isStoreUnavailable(error) ? interrupted(state, rows) : error;
  }
  return state;
}

async function applyWhole(sql: Sql, request: ImportRequest): Promise<Applied> {
  const { onCommit, onRows, record, tenantId } = request;
  const done = await turn(sql, async (tx) => {
    await begin(tx, request);
    let state = untouched;
    await throughout(tx, onRows, async (page) => {
      state = await applyPage(tx, request, page, state, state.version);
    });
    await end(tx, tenantId, untouched, state);
    if (state.changed + state.noted > 0) await record(tx, state);
    return state;
  });
  if (done.changed > 0) onCommit();
  return done;
}

/** `sql` is the client on whose connection the rows were staged. */
export async function applyImport(sql: Sql, request: ImportRequest): Promise<Applied> {
  await sql.begin(createPlan);
  return request.mode === 'atomic' ? applyWhole(sql, request) : applyPartially(sql, request);
}

export interface ImportPlan extends Pick<Applied, 'changed' | 'noted'> {
  /** The first ones, by line: of all pages of rows together. */
  readonly changes: readonly PlannedChange[];
}

/** Counts the changes that an import would make now, and lists the first `listed` of them. */
export async function planImport(
  sql: Sql,
  tenantId: string,
  listed: number,
  onRows: (rows: number) => void,
): Promise<ImportPlan> {
  return sql.begin(async (tx) => {
    await settings(tx);
    await createPlan(tx);
    let changed = 0;
    let noted = 0;
    let changes: readonly PlannedChange[] = [];
    await throughout(tx, onRows, async (page) => {
      const counts = await planPage(tx, tenantId, page);
      changed += counts.place + counts.unpin;
      noted += counts.note;
      // Pages are in the order of the devices, so each may have earlier lines than those before it.
      const some = await readPlanned(tx, listed);
      changes = [...changes, ...some].sort((a, b) => a.line - b.line).slice(0, listed);
    });
    return { changed, noted, changes };
  });
}
