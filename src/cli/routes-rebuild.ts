import { setTimeout as pause } from 'node:timers/promises';
import { z } from 'zod';
import { type AdminApi, CommandFailure, exitCodes, openAdminApi } from './admin-api.ts';
import { configSource } from './environment.ts';

/** `espalier routes rebuild`: all routes and reports from the instances alone, after the database was lost. */

export interface RebuildArguments {
  readonly tenant?: string;
  /** `--no-wait` ends when it is asked for. */
  readonly wait: boolean;
}

const lookEveryMs = 1_000;
const pageSize = 100;

const idPage = z.object({ totalCount: z.number(), results: z.array(z.object({ tenantId: z.string() })) });
const asked = z.object({ tenantId: z.string(), instances: z.number(), requestedAt: z.string() });
const status = z.object({ devices: z.number(), backlog: z.object({ computers: z.number() }) });
const instancePage = z.object({
  totalCount: z.number(),
  results: z.array(
    z.object({
      name: z.string(),
      enabled: z.boolean(),
      paused: z.boolean(),
      reading: z.object({ reconciledAt: z.string().nullable(), reconcileError: z.string().nullable() }),
    }),
  ),
});

type Asked = z.infer<typeof asked>;
type InstanceRow = z.infer<typeof instancePage>['results'][number];

async function pages<Row>(
  api: AdminApi,
  path: string,
  schema: z.ZodType<{ totalCount: number; results: Row[] }>,
): Promise<Row[]> {
  const rows: Row[] = [];
  for (let page = 0; ; page += 1) {
    const { results, totalCount } = schema.parse(
      await api.call('GET', `${path}?page=${page}&page-size=${pageSize}`),
    );
    rows.push(...results);
    if (results.length === 0 || rows.length >= totalCount) return rows;
  }
}

interface Progress {
  readonly done: boolean;
  readonly text: string;
}

async function progressOf(api: AdminApi, { requestedAt, tenantId }: Asked): Promise<Progress> {
  const { backlog, devices } = status.parse(await api.call('GET', `/tenants/${tenantId}/status`));
  const instances = await pages<InstanceRow>(api, `/tenants/${tenantId}/instances`, instancePage);
  // A paused instance is left alone until it is resumed: nobody need wait for that here.
  const expected = instances.filter(({ enabled, paused }) => enabled && !paused);
  const unlisted = expected.filter(
    ({ reading }) =>
      reading.reconciledAt === null || Date.parse(reading.reconciledAt) < Date.parse(requestedAt),
  );
  const failing = unlisted.flatMap(({ name, reading }) =>
    reading.reconcileError === null ? [] : [`${name}: ${reading.reconcileError}`],
  );
  const listed = `${expected.length - unlisted.length} of ${expected.length} instances listed`;
  return {
    done: unlisted.length === 0 && backlog.computers === 0,
    text: [`${listed}, ${backlog.computers} computers wait, ${devices} devices routed`, ...failing].join(
      '; ',
    ),
  };
}

/** Shows the progress of one tenant until nothing waits: over and over in one line on a terminal, else each change. */
async function waitFor(api: AdminApi, rebuild: Asked): Promise<void> {
  const { stdout } = process;
  let shown = '';
  for (;;) {
    const { done, text } = await progressOf(api, rebuild);
    const line = `${rebuild.tenantId}: ${text}`;
    if (stdout.isTTY) stdout.write(`\r\u001b[K${line.slice(0, stdout.columns)}`);
    else if (line !== shown) stdout.write(`${line}\n`);
    shown = line;
    if (done) {
      if (stdout.isTTY) stdout.write('\n');
      return;
    }
    await pause(lookEveryMs);
  }
}

async function rebuild(api: AdminApi, { tenant, wait }: RebuildArguments): Promise<void> {
  const tenantIds =
    tenant === undefined ? (await pages(api, '/tenants', idPage)).map((row) => row.tenantId) : [tenant];
  const rebuilds: Asked[] = [];
  for (const tenantId of tenantIds) {
    const path = `/tenants/${encodeURIComponent(tenantId)}/routes/rebuild`;
    rebuilds.push(asked.parse(await api.call('POST', path)));
  }
  for (const one of rebuilds) {
    process.stdout.write(`${one.tenantId}: ${one.instances} instances are asked for all their computers\n`);
  }
  if (wait) for (const one of rebuilds) await waitFor(api, one);
}

/** The exit code (contract section 9). */
export async function runRoutesRebuild(options: RebuildArguments): Promise<number> {
  try {
    await rebuild(openAdminApi(configSource().environment), options);
    return 0;
  } catch (error) {
    const known = error instanceof CommandFailure;
    if (!known && !(error instanceof z.ZodError)) throw error;
    process.stderr.write(
      `espalier: ${known ? error.message : 'the answer is not one of this version of Espalier'}\n`,
    );
    return known ? error.exitCode : exitCodes.error;
  }
}
