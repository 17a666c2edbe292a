import { backgroundReportsPerSecond, replayBatch } from '../limits.ts';
import { columns, pick, type Row } from '../store/columns.ts';
import type { Fragment, Queries, Sql, Transaction } from '../store/database.ts';
import { type Made, makeDue } from '../store/reports/due.ts';
import { inTransaction } from '../store/retry.ts';
import { reports } from '../store/schema.ts';
import type { Log } from '../telemetry/log.ts';

/** Telling Intune again what an operator picked: dead letters when their cause is gone, or what Intune lost. */

export interface ReplayRequest {
  /** Selects reports among those in scope by a condition on the table `reports`. */
  readonly matching: (sql: Queries) => Fragment;
  /** undefined: every tenant. */
  readonly tenantIds: readonly string[] | undefined;
  /** True where the call only counts what it would do. */
  readonly dryRun: boolean;
  /** Text for the log. */
  readonly filter: string;
  readonly author: { readonly name: string; readonly keyId: string | undefined };
  /** The last that the transaction of a tenant's first reports does: how many are going to follow. */
  readonly note?: (tx: Transaction, tenantId: string, reports: number) => Promise<void>;
}

const replayedShape = pick(reports, 'tenantId', 'deviceId', 'state', 'reason');
export type ReplayedReport = Row<typeof replayedShape>;

export interface ReplayResult {
  readonly matched: number;
  /** Made due, or looked at now where they are held; in a dry run those that would be. */
  readonly replayed: number;
  /** Under way already. */
  readonly skipped: number;
  readonly ratePerSecond: number;
  readonly dryRun: boolean;
  /** The first ones, as they were. */
  readonly sample: readonly ReplayedReport[];
}

export interface ReplayOptions {
  readonly sql: Sql;
  readonly log: Log;
}

const sampled = 10;
/** The others are under way: another revision of theirs would only send the same again. */
const replayable = (sql: Queries): Fragment =>
  sql`reports.state in ('failed', 'held', 'completed', 'verified')`;

interface TenantCount {
  readonly tenantId: string;
  readonly matched: number;
  readonly replayable: number;
}

const countByTenant = (sql: Sql, { matching, tenantIds }: ReplayRequest): Promise<TenantCount[]> => sql<
  TenantCount[]
>`
  select ${columns(sql, pick(reports, 'tenantId'))}, count(*) as matched, count(*) filter (where ${replayable(sql)}) as replayable
  from reports
  where ${tenantIds === undefined ? sql`true` : sql`tenant_id = any(${tenantIds}::uuid[])`} and (${matching(sql)})
  group by tenant_id order by tenant_id`;

async function readSample(
  sql: Sql,
  tenants: readonly TenantCount[],
  { matching }: ReplayRequest,
): Promise<ReplayedReport[]> {
  const sample: ReplayedReport[] = [];
  for (const { tenantId, replayable: some } of tenants) {
    if (sample.length >= sampled) break;
    if (some === 0) continue;
    sample.push(
      ...(await sql<ReplayedReport[]>`
        select ${columns(sql, replayedShape)} from reports
        where tenant_id = ${tenantId} and ${replayable(sql)} and (${matching(sql)})
        order by device_id limit ${sampled - sample.length}`),
    );
  }
  return sample;
}

/** The next rows of a tenant in the order of their keys. */
const replayBatchOf = (
  sql: Sql,
  tenantId: string,
  after: string | undefined,
  offset: number,
  { matching }: ReplayRequest,
  note: (tx: Transaction) => Promise<void>,
): Promise<Made> =>
  inTransaction(sql, async (tx) => {
    const made = await makeDue(tx, tenantId, {
      which: (queries) => queries`${replayable(queries)} and (${matching(queries)})`,
      reason: 'replay',
      background: true,
      retracted: true,
      dueSince: 'now',
      batch: { after, offset, limit: replayBatch },
    });
    if (after === undefined) await note(tx);
    return made;
  });

/** `onBatch` is told after every batch, for each is committed by itself. */
async function replayTenant(
  sql: Sql,
  { replayable: reports, tenantId }: TenantCount,
  request: ReplayRequest,
  onBatch: (taken: number) => void,
): Promise<void> {
  let after: string | undefined;
  let offset = 0;
  for (;;) {
    const { last, placed, taken } = await replayBatchOf(sql, tenantId, after, offset, request, async (tx) =>
      request.note?.(tx, tenantId, reports),
    );
    onBatch(taken);
    if (taken < replayBatch || last === null) return;
    after = last;
    offset += placed;
  }
}

/**
 * Makes the matching reports due again, spread over time for each tenant and behind what is fresh. It resolves when
 * the last batch is committed; where it ends early, what was committed stays, and the same request does the rest.
 */
export async function replayReports(
  { sql, log }: ReplayOptions,
  request: ReplayRequest,
): Promise<ReplayResult> {
  const { author, dryRun, filter } = request;
  const tenants = await countByTenant(sql, request);
  const sum = (of: (count: TenantCount) => number): number =>
    tenants.reduce((total, count) => total + of(count), 0);
  const skipped = sum((count) => count.matched - count.replayable);
  const sample = await readSample(sql, tenants, request);
  const common = { skipped, ratePerSecond: backgroundReportsPerSecond, dryRun, sample };
  const who = { operator: author.name, keyId: author.keyId ?? null, filter };
  if (dryRun) {
    const replayed = sum((count) => count.replayable);
    return { matched: replayed + skipped, replayed, ...common };
  }
  let replayed = 0;
  try {
    for (const tenant of tenants) {
      if (tenant.replayable === 0) continue;
      await replayTenant(sql, tenant, request, (taken) => {
        replayed += taken;
      });
    }
  } catch (error) {
    log.warn('reports.replay-failed', { ...who, replayed, error });
    throw error;
  }
  log.info('reports.replay', { ...who, matched: replayed + skipped, replayed, skipped });
  return { matched: replayed + skipped, replayed, ...common };
}
