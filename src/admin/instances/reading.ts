import { z } from '@hono/zod-openapi';
import { type AnyColumn, and, eq, inArray, sql } from 'drizzle-orm';
import type { Sql } from '../../store/database.ts';
import { query } from '../../store/query.ts';
import { instanceReading } from '../../store/schema.ts';
import type { AdminServices } from '../context.ts';
import { instantOrNull, iso } from '../schemas.ts';

/** Shows how far an instance is known without its webhooks. */

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

/** Returns the states by instance id. */
export async function readingsOf(
  { polls, sql: client }: Pick<AdminServices, 'polls' | 'sql'>,
  tenantId: string,
  instanceIds: readonly string[],
): Promise<(instanceId: string) => Reading> {
  const rows = await readRows(client, tenantId, instanceIds);
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

/** An instance that is not polled or reconciled has `infinity` here, which no JavaScript date can say. */
const nullIfNever = (at: AnyColumn) => sql<Date | null>`nullif(${at}, 'infinity')`;

const readRows = (queries: Sql, tenantId: string, instanceIds: readonly string[]) =>
  query(queries)
    .select({
      instanceId: instanceReading.instanceId,
      polledAt: instanceReading.polledAt,
      pollError: instanceReading.pollError,
      nextPollAt: nullIfNever(instanceReading.nextPollAt),
      reconciledAt: instanceReading.reconciledAt,
      reconcileError: instanceReading.reconcileError,
      reconcilingSince: instanceReading.reconcileStartedAt,
      nextReconcileAt: nullIfNever(instanceReading.nextReconcileAt),
    })
    .from(instanceReading)
    .where(
      and(eq(instanceReading.tenantId, tenantId), inArray(instanceReading.instanceId, [...instanceIds])),
    );
