import { createRoute, z } from '@hono/zod-openapi';
import { accepts } from 'hono/accepts';
import { exportMs, slowReaderMs } from '../../limits.ts';
import { createSharedBound, type Semaphore } from '../../semaphore.ts';
import type { Sql } from '../../store/database.ts';
import { tenantOf } from '../access.ts';
import type { AdminApp, AdminServices } from '../context.ts';
import { commonProblems, problemAnswer, tenantPath } from '../schemas.ts';
import { device } from './device.ts';
import { exportHeader } from './transfer/export-text.ts';
import { readRoutePages } from './transfer/read-routes.ts';
import type { Format } from './transfer/read-rows.ts';

/** `/tenants/{tenantId}/devices/export`: the routes as a file that an import takes (docs/import-export.md). */

const exportRoute = createRoute({
  method: 'get',
  path: '/api/v1/tenants/{tenantId}/devices/export',
  operationId: 'exportDevices',
  tags: ['Devices'],
  summary: 'The routes of a tenant as CSV or NDJSON, in the order of their devices, out of one snapshot',
  request: {
    params: tenantPath,
    query: z
      .object({
        filter: z.string().optional().openapi({ description: device.filterText }),
        format: z.enum(['csv', 'ndjson']).optional().openapi({
          description: 'For a link in a browser, which names no media type of ours; it comes before Accept',
        }),
      })
      .strict(),
  },
  responses: {
    200: {
      description: 'A line for each device; NDJSON unless format or Accept names CSV',
      content: {
        'application/x-ndjson': { schema: z.string() },
        'text/csv': { schema: z.string() },
      },
    },
    ...commonProblems,
    503: problemAnswer('overloaded, or store-unavailable'),
  },
});

const mediaTypes: Readonly<Record<Format, string>> = {
  csv: 'text/csv; charset=utf-8',
  ndjson: 'application/x-ndjson',
};

/** A place inside, until it is given back. */
export const enter = (semaphore: Semaphore): Promise<() => void> =>
  new Promise((resolve, reject) => {
    semaphore(() => new Promise<void>((leave) => resolve(leave))).catch(reject);
  });

interface ExportedText {
  readonly bulk: Sql;
  /** Read before the answer began: a database that is away must be told as such. */
  readonly first: IteratorResult<string>;
  readonly rest: AsyncGenerator<string>;
  readonly format: Format;
  /** Nobody has taken anything for `patienceMs`: a snapshot that is held for ever keeps dead rows everywhere. */
  readonly onStalled: () => void;
  readonly patienceMs: number;
}

/** The file, page by page. */
async function* exportedText({ bulk, first, format, onStalled, patienceMs, rest }: ExportedText) {
  const encoder = new TextEncoder();
  const stall = (): void => {
    onStalled();
    void bulk.end({ timeout: 0 });
  };
  if (exportHeader[format] !== '') yield encoder.encode(exportHeader[format]);
  for (let page = first; !page.done; page = await rest.next()) {
    const patience = setTimeout(stall, patienceMs);
    try {
      yield encoder.encode(page.value);
    } finally {
      clearTimeout(patience);
    }
  }
}

export function addRouteExport(app: AdminApp, services: AdminServices): void {
  const { bulkAtOnce, facts, log, openBulk, respond, sql, turns } = services;
  const atOnce = createSharedBound({
    sharing: services.sharing,
    limit: bulkAtOnce.exports,
    maxWaiting: 0,
    longestMs: exportMs,
  });
  app.openapi(exportRoute, async (c) => {
    const { filter: text, format: named } = c.req.valid('query');
    const filter = text === undefined ? undefined : device.matching(text);
    const supports = ['application/x-ndjson', 'text/csv'];
    const accepted = accepts(c, { header: 'Accept', supports, default: 'application/x-ndjson' });
    const format: Format = named ?? (accepted === 'text/csv' ? 'csv' : 'ndjson');
    const requestId = c.get('requestId');
    // The place is asked for first, so that a refused export costs the database nothing.
    const leave = await enter(atOnce);
    const bulk = openBulk();
    // The snapshot goes with the connection.
    const onEnd = async (): Promise<void> => {
      leave();
      await bulk.end({ timeout: 0 });
    };
    const begin = async () => {
      const { tenantId } = await tenantOf(c, sql);
      const rest = readRoutePages(bulk, { tenantId, filter, format }, turns.work('exports'));
      return { tenantId, rest, first: await rest.next() };
    };
    const { first, rest, tenantId } = await begin().catch(async (error: unknown) => {
      await onEnd();
      throw error;
    });
    const onStalled = (): void => {
      log.info('export.stalled', { tenantId, requestId });
      facts.breakOff(c);
    };
    const headers = new Headers({
      'content-type': mediaTypes[format],
      'content-disposition': `attachment; filename="routes-${tenantId}.${format}"`,
      'x-request-id': requestId,
    });
    if (c.req.method === 'HEAD') {
      await onEnd();
      return c.body(null, 200, Object.fromEntries(headers));
    }
    const body = exportedText({ bulk, first, format, onStalled, patienceMs: slowReaderMs, rest });
    return respond(c, { status: 200, headers, body, onEnd });
  });
}
