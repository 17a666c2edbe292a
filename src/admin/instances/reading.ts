import { z } from '@hono/zod-openapi';
import type { Sql } from '../../store/database.ts';
import type { AdminServices } from '../context.ts';
import { instantOrNull, iso } from '../schemas.ts';

/** How far an instance is known without its webhooks. */

export const readingSchema = z
  .object({
    polledAt: instantOrNull,
    pollError: z.string().nullable(),
    nextPollAt: instantOrNull,
    reconciledAt: instantOrNull,
    reconcileError: z.string().nullable(),
    /** A reconciliation is under way since then. */
    reconcilingSince: instantOrNull,
    nextReconcileAt: instantOrNull,
  })
  .openapi('InstanceReading');

type Reading = z.infer<typeof readingSchema>;

const notRead: Reading = {
  polledAt: null,
  pollError: null,
  nextPollAt: null,
  reconciledAt: null,
  reconcileError: null,
  reconcilingSince: null,
  nextReconcileAt: null,
};

interface Row {
  readonly instanceId: string;
  readonly polledAt: Date | null;
  readonly pollError: string | null;
  readonly nextPollAt: Date | null;
  readonly reconciledAt: Date | null;
  readonly reconcileError: string | null;
  readonly reconcilingSince: Date | null;
  readonly nextReconcileAt: Date | null;
}

/** By instance id. */
export async function readingsOf(
  { polls, sql }: Pick<AdminServices, 'polls' | 'sql'>,
  tenantId: string,
  instanceIds: readonly string[],
): Promise<(instanceId: string) => Reading> {
  const rows = await readRows(sql, tenantId, instanceIds);
  const readings = new Map(
    rows.map(({ instanceId, pollError, reconcileError, ...at }) => [
      instanceId,
      {
        polledAt: iso(at.polledAt),
        pollError,
        nextPollAt: polls ? iso(at.nextPollAt) : null,
        reconciledAt: iso(at.reconciledAt),
        reconcileError,
        reconcilingSince: iso(at.reconcilingSince),
        nextReconcileAt: iso(at.nextReconcileAt),
      },
    ]),
  );
  return (instanceId) => readings.get(instanceId) ?? notRead;
}

const readRows = (sql: Sql, tenantId: string, instanceIds: readonly string[]): Promise<Row[]> => sql<Row[]>`
  select instance_id as "instanceId", polled_at as "polledAt", poll_error as "pollError",
    nullif(next_poll_at, 'infinity') as "nextPollAt", reconciled_at as "reconciledAt",
    reconcile_error as "reconcileError", reconcile_started_at as "reconcilingSince",
    nullif(next_reconcile_at, 'infinity') as "nextReconcileAt"
  from instance_reading where tenant_id = ${tenantId} and instance_id = any(${instanceIds as string[]}::uuid[])`;
