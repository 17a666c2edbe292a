/** `espalier routes rebuild`: all routes and reports from the instances alone, after the database was lost. */

import { setTimeout as pause } from 'node:timers/promises';
import { z } from 'zod';
import { type OperationName, pathOf } from '../../client/request.ts';
import type { AdminApi } from '../admin-api.ts';
import { CommandFailure, exitCodes } from '../failure.ts';
import { writeAnswer } from '../output/output.ts';
import { startProgress } from '../output/progress.ts';
import type { VerbCall } from './declare.ts';
import { pagesOf } from './pages.ts';

const pollIntervalMs = 1_000;

export const rebuildOperations = {
  tenants: 'GET /tenants',
  rebuild: 'POST /tenants/{tenantId}/routes/rebuild',
  status: 'GET /tenants/{tenantId}/status',
  instances: 'GET /tenants/{tenantId}/instances',
} as const satisfies Record<string, OperationName>;

const tenantRow = z.object({ tenantId: z.string() });
const asked = z.object({ tenantId: z.string(), instances: z.number(), requestedAt: z.string() });
const status = z.object({ devices: z.number(), backlog: z.object({ computers: z.number() }) });
const instanceRow = z.object({
  name: z.string(),
  enabled: z.boolean(),
  paused: z.boolean(),
  reading: z.object({ reconciledAt: z.string().nullable(), reconcileError: z.string().nullable() }),
});

type Asked = z.infer<typeof asked>;

function read<T>(schema: z.ZodType<T>, answer: unknown): T {
  const result = schema.safeParse(answer);
  if (result.success) return result.data;
  throw new CommandFailure(exitCodes.error, 'the answer is not one of this version of Espalier');
}

async function rowsOf<T>(
  api: AdminApi,
  operation: OperationName,
  tenantId: string,
  schema: z.ZodType<T>,
): Promise<T[]> {
  const all = { page: undefined, pageSize: undefined, limit: undefined };
  const rows: T[] = [];
  const pathFor = (paging: Readonly<Record<string, string>>): string =>
    pathOf(operation, { tenantId }, paging);
  for await (const { results } of pagesOf(api, pathFor, all)) {
    rows.push(...results.map((row) => read(schema, row)));
  }
  return rows;
}

interface Seen {
  readonly done: boolean;
  readonly text: string;
  readonly listed: number;
  readonly instances: number;
}

async function poll(api: AdminApi, { requestedAt, tenantId }: Asked): Promise<Seen> {
  const instances = await rowsOf(api, rebuildOperations.instances, tenantId, instanceRow);
  // The backlog is read after the instances: the other way round, a list that comes between leaves it seen as empty.
  const { backlog, devices } = read(
    status,
    await api.call('GET', pathOf(rebuildOperations.status, { tenantId })),
  );
  // A paused instance is left alone until it is resumed: nobody need wait for that here.
  const expected = instances.filter(({ enabled, paused }) => enabled && !paused);
  const unlisted = expected.filter(
    ({ reading }) =>
      reading.reconciledAt === null || Date.parse(reading.reconciledAt) < Date.parse(requestedAt),
  );
  const failing = unlisted.flatMap(({ name, reading }) =>
    reading.reconcileError === null ? [] : [`${name}: ${reading.reconcileError}`],
  );
  const listed = expected.length - unlisted.length;
  const text = `${listed} of ${expected.length} instances listed, ${backlog.computers} computers wait, ${devices} devices routed`;
  return {
    done: unlisted.length === 0 && backlog.computers === 0,
    text: [text, ...failing].join('; '),
    listed,
    instances: expected.length,
  };
}

/** A bar on a terminal, else a line on each change. */
async function waitFor({ api, output }: VerbCall, rebuild: Asked): Promise<void> {
  // In another format standard output belongs to the answer alone.
  const tell = (line: string): Promise<void> =>
    output.format === 'table' ? output.write(`${line}\n`) : Promise.resolve(output.say(line));
  let shown = '';
  let seen = await poll(api, rebuild);
  const bar = await startProgress(rebuild.tenantId, 'instances', seen.instances);
  try {
    for (;;) {
      const line = `${rebuild.tenantId}: ${seen.text}`;
      bar.update(seen.listed, seen.text);
      if (line !== shown && !process.stderr.isTTY) await tell(line);
      shown = line;
      if (seen.done) break;
      await pause(pollIntervalMs);
      seen = await poll(api, rebuild);
    }
  } finally {
    bar.stop();
  }
  if (process.stderr.isTTY) await tell(shown);
}

export async function rebuildRoutes(call: VerbCall): Promise<number> {
  const { api, given, output } = call;
  const tenant = given.text('tenant');
  const tenantIds =
    tenant === undefined
      ? (await rowsOf(api, rebuildOperations.tenants, '', tenantRow)).map((row) => row.tenantId)
      : [tenant];
  const rebuilds: Asked[] = [];
  for (const tenantId of tenantIds)
    rebuilds.push(read(asked, await api.call('POST', pathOf(rebuildOperations.rebuild, { tenantId }))));
  if (output.format === 'table') {
    for (const one of rebuilds)
      await output.write(`${one.tenantId}: ${one.instances} instances are asked for all their computers\n`);
  } else {
    await writeAnswer(output, { totalCount: rebuilds.length, results: rebuilds });
  }
  if (given.flag('wait')) for (const one of rebuilds) await waitFor(call, one);
  return 0;
}
