import { createRoute, z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import type { Sharing } from '../../joining.ts';
import {
  importChangesListed,
  importRows,
  importsWaiting,
  importTotalMs,
  pooledImportRows,
  progressEveryMs,
} from '../../limits.ts';
import { ProblemError, problem } from '../../problems.ts';
import type { PlannedChange } from '../../routing/imports/apply-page.ts';
import { dropStage } from '../../routing/imports/staged-rows.ts';
import { createSharedBound } from '../../semaphore.ts';
import { isUnknownTable, type Sql } from '../../store/database.ts';
import { withinTransaction } from '../../store/retry.ts';
import { requireRole, tenantOf } from '../access.ts';
import type { AdminApp, AdminEnv, AdminServices } from '../context.ts';
import { nothingChanged, recordChange } from '../recording.ts';
import { computerOrNull, computerSchema } from '../routes/computer.ts';
import { commonProblems, dryRunFlag, problemAnswer, tenantPath } from '../schemas.ts';
import { asksForLines, linesType, problemLine } from '../streamed.ts';
import { formatOf, importBytes, isPacked } from './transfer/body.ts';
import { progressLines } from './transfer/progress.ts';
import {
  type Imported,
  type ImportOptions,
  type Progress,
  sentence,
  takeImport,
} from './transfer/take-import.ts';

/** `/tenants/{tenantId}/devices/import`: many devices put on computers by one file (docs/import-export.md). */

const importChange = z
  .object({
    line: z.number().int(),
    deviceId: z.string(),
    change: z.enum(['created', 'moved', 'pinned', 'unpinned', 'described']).openapi({
      description: 'described: only the serial number or UDID. unpinned: claims may then put it elsewhere.',
    }),
    from: computerSchema.nullable().openapi({ description: 'null: the device has no route.' }),
    to: computerSchema,
    serialNumber: z.string().nullable(),
    udid: z.string().nullable(),
    pinned: z.boolean(),
  })
  .openapi('RouteImportChange');

/** A route that stays on its computer and is placed all the same gets a pin. */
function changeOf({
  fromInstanceId,
  fromJamfComputerId,
  instanceId,
  jamfComputerId,
  todo,
}: PlannedChange): z.infer<typeof importChange>['change'] {
  if (todo === 'note') return 'described';
  if (todo === 'unpin') return 'unpinned';
  if (fromInstanceId === null) return 'created';
  return fromInstanceId === instanceId && fromJamfComputerId === jamfComputerId ? 'pinned' : 'moved';
}

const describeChange = (planned: PlannedChange): z.infer<typeof importChange> => ({
  line: planned.line,
  deviceId: planned.deviceId,
  change: changeOf(planned),
  from: computerOrNull(planned.fromInstanceId, planned.fromJamfComputerId),
  to: { instanceId: planned.instanceId, jamfComputerId: String(planned.jamfComputerId) },
  serialNumber: planned.serialNumber,
  udid: planned.udid,
  pinned: planned.pinned,
});

const importSchema = z
  .object({
    dryRun: z.boolean(),
    mode: z.enum(['partial', 'atomic']),
    rows: z.number().int(),
    accepted: z.number().int(),
    /** Routes that are others now; the rest of the accepted rows says what was there. */
    changed: z.number().int(),
    /** Routes of which only the serial number or UDID is another one. */
    noted: z.number().int(),
    /** The version of the routes to roll back to, and the one now; null where no route changed. */
    versionBefore: z.number().int().nullable(),
    version: z.number().int().nullable(),
    /** SHA-256 of the file, unpacked. */
    sha256: z.string(),
    rejectedCount: z.number().int(),
    /** The first 10,000, by line. */
    rejected: z.array(z.object({ line: z.number().int(), code: z.string(), description: z.string() })),
    changes: z.array(importChange).openapi({
      description: `Of a dry run the first ${importChangesListed} changes, by line; otherwise empty.`,
    }),
  })
  .openapi('RouteImport');

/** Answers by media type, so that the handler may also answer with a stream. */
const answers: Readonly<Record<string, { readonly schema: z.ZodType }>> = {
  'application/json': { schema: importSchema },
  'application/x-ndjson': {
    schema: z.string().openapi({
      description: 'For Accept: application/x-ndjson: lines of progress, then one with `result` or `problem`',
    }),
  },
};

const importRoute = createRoute({
  method: 'post',
  path: '/api/v1/tenants/{tenantId}/devices/import',
  operationId: 'importDevices',
  tags: ['Devices'],
  summary: 'Put the devices of a CSV or NDJSON file on their computers, as PUT of each; gzip is taken',
  request: {
    params: tenantPath,
    query: z
      .object({
        mode: z.enum(['partial', 'atomic']).default('partial').openapi({
          description: 'partial keeps the good rows; atomic refuses all of them where one is bad',
        }),
        'dry-run': dryRunFlag,
        reason: z.string().trim().min(1).max(500).optional().openapi({ description: 'For the history' }),
      })
      .strict(),
    body: {
      required: true,
      content: {
        'text/csv': { schema: z.string() },
        'application/x-ndjson': {
          schema: z
            .string()
            .openapi({ description: 'One JSON object a line, with the names of the CSV columns' }),
        },
      },
    },
  },
  responses: {
    200: { description: 'What was taken', content: answers },
    ...commonProblems,
    409: problemAnswer('conflict'),
    413: problemAnswer('payload-too-large'),
    415: problemAnswer('unsupported-media-type'),
    503: problemAnswer('overloaded, or store-unavailable'),
  },
});

const describeImport = (taken: Imported, { dryRun, mode }: ImportOptions): z.infer<typeof importSchema> => ({
  ...{ dryRun, mode },
  rows: taken.rows,
  accepted: taken.accepted,
  changed: taken.changed,
  noted: taken.noted,
  versionBefore: taken.versionBefore ?? null,
  version: taken.version ?? null,
  sha256: taken.sha256,
  rejectedCount: taken.rejectedCount,
  rejected: taken.rejected.map((one) => ({ line: one.line, code: one.code, description: sentence(one) })),
  changes: taken.changes.map(describeChange),
});

/**
 * Does the work on a connection with tables of its own. A pooler gives a connection only for a transaction, so there all of it
 * is one: what an import of up to `pooledImportRows` rows changes is committed together.
 */
const withTables = <T>(bulk: Sql, sharing: Sharing, work: (bulk: Sql) => Promise<T>): Promise<T> =>
  sharing === 'process'
    ? work(bulk)
    : withinTransaction(bulk, async (inside) => {
        const result = await work(inside);
        await dropStage(inside);
        return result;
      });

/** The whole way of one file; everything that belongs to it ends with it. */
async function importFile(
  c: Context<AdminEnv>,
  { digest, openBulk, routesChanged, sharing }: AdminServices,
  options: ImportOptions,
  chunks: AsyncIterable<Uint8Array>,
  onProgress: (progress: Progress) => void = () => undefined,
): Promise<z.infer<typeof importSchema>> {
  const bulk = openBulk();
  const { by, format, mode, tenantId } = options;
  try {
    const maxRows = sharing === 'process' ? importRows : pooledImportRows;
    const taken = await withTables(bulk, sharing, (tables) =>
      takeImport(
        {
          ...{ bulk: tables, digest: digest(), onProgress, maxRows, isWhole: sharing === 'request' },
          onCommit: routesChanged,
          record: (tx, { accepted, rejectedCount, sha256, versionBefore }) =>
            recordChange(c, tx, {
              tenantId,
              action: 'routes.import',
              object: { kind: 'routes', id: tenantId },
              after: { ...{ mode, format, sha256, accepted }, rejected: rejectedCount, versionBefore },
              reason: by.reason,
            }),
        },
        options,
        chunks,
      ),
    );
    if (taken.changed + taken.noted === 0) nothingChanged(c);
    return describeImport(taken, options);
  } catch (error) {
    if (!isUnknownTable(error)) throw error;
    const broken = 'The connection to the database broke while the file was read; send it again.';
    throw new ProblemError(problem('store-unavailable', broken, { retryAfterSeconds: 5 }));
  } finally {
    await bulk.end({ timeout: 1 });
  }
}

export function addRouteImport(app: AdminApp, services: AdminServices): void {
  const { facts, log, respond, sql } = services;
  const atOnce = createSharedBound({
    sharing: services.sharing,
    limit: services.bulkAtOnce.imports,
    maxWaiting: importsWaiting,
    longestMs: importTotalMs,
  });
  app.openapi(importRoute, async (c) => {
    const { tenantId } = await tenantOf(c, sql);
    const { name } = requireRole(c, 'operator');
    const { 'dry-run': dryRun, mode, reason } = c.req.valid('query');
    const options: ImportOptions = {
      ...{ tenantId, mode },
      format: formatOf(c.req.header('content-type')),
      dryRun: dryRun === 'true',
      by: { author: name, reason: reason ?? c.get('reason') ?? `imported by ${name}` },
    };
    const packed = isPacked(c.req.header('content-encoding'));
    const body = facts.body(c) ?? { length: 0, chunks: (async function* () {})() };
    const chunks = importBytes(body, packed);
    facts.allowTime(c);
    const run = (onProgress?: (progress: Progress) => void) =>
      atOnce(() => importFile(c, services, options, chunks, onProgress));
    if (!asksForLines(c)) return c.json(await run(), 200);
    // The answer begins before anything is changed; what changes is recorded with it.
    nothingChanged(c);
    const requestId = c.get('requestId');
    const lines = progressLines(
      services.after,
      (note) =>
        run(note).then(
          (result) => ({ result }),
          (error: unknown) => problemLine(error, requestId, log),
        ),
      progressEveryMs,
    );
    const headers = new Headers({
      'content-type': linesType,
      'x-request-id': requestId,
    });
    return respond(c, { status: 200, headers, body: lines });
  });
}
