import { createHash } from 'node:crypto';
import {
  createReadStream,
  createWriteStream,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { request } from 'node:https';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type postgres from 'postgres';
import type { Answer } from '../test/harness/http.ts';
import { bootstrapKey } from './admin-api.ts';
import type { Finding, Run } from './run.ts';
import { type Scene, startScene } from './scene.ts';
import { columns, tenths, whole } from './table.ts';
import { familyProcessorSeconds, processorSeconds } from './usage.ts';

/** A tenant's routes in by one file and out again, beside PostgreSQL's own COPY of the file into a bare table. */

const defaultDevices = 1_000_000;
const bounds = { seconds: 60, megabytes: 512 } as const;
const header = 'deviceId,instanceId,jamfComputerId,serialNumber,udid,pinned';

interface Files {
  readonly csv: string;
  readonly ndjson: string;
  /** Of the sorted lines of the CSV without its header, and of the NDJSON. */
  readonly hashes: { readonly csv: string; readonly ndjson: string };
}

const hashOf = (lines: string[]): string => {
  const hash = createHash('sha256');
  for (const line of lines.sort()) hash.update(`${line}\n`);
  return hash.digest('hex');
};

const linesOf = (file: string): string[] => readFileSync(file, 'utf8').trimEnd().split('\n');

function writeFiles(dir: string, instanceIds: readonly string[], devices: number): Files {
  const csv: string[] = [];
  const ndjson: string[] = [];
  for (let n = 0; n < devices; n += 1) {
    const deviceId = crypto.randomUUID();
    const instanceId = instanceIds[n % instanceIds.length] ?? '';
    const serialNumber = `C02${(10_000_000 + n).toString(36).toUpperCase()}`;
    const udid = crypto.randomUUID().toUpperCase();
    const pinned = n % 10 === 0;
    csv.push(`${deviceId},${instanceId},${n + 1},${serialNumber},${udid},${pinned}`);
    ndjson.push(
      JSON.stringify({ deviceId, instanceId, jamfComputerId: String(n + 1), serialNumber, udid, pinned }),
    );
  }
  const files = { csv: join(dir, 'routes.csv'), ndjson: join(dir, 'routes.ndjson') };
  writeFileSync(files.csv, `${[header, ...csv].join('\n')}\n`);
  writeFileSync(files.ndjson, `${ndjson.join('\n')}\n`);
  return { ...files, hashes: { csv: hashOf(csv), ndjson: hashOf(ndjson) } };
}

interface Measure {
  readonly name: string;
  readonly rows: number;
  readonly seconds: number;
  /** Processor seconds of the gateway and of all of PostgreSQL. */
  readonly gateway: number | undefined;
  readonly postgres: number | undefined;
  /** The most that the gateway had resident meanwhile. */
  readonly peakMegabytes: number | undefined;
  readonly load: number;
}

/** proc_pid_clear_refs(5): 5 begins the peak anew. */
const clearPeak = (pid: number): void => writeFileSync(`/proc/${pid}/clear_refs`, '5');
const peakOf = (pid: number): number =>
  Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;

interface Pids {
  readonly gateway: number | undefined;
  readonly postgres: number;
}

async function measured(
  name: string,
  rows: number,
  { gateway, postgres }: Pids,
  work: () => Promise<void>,
): Promise<Measure> {
  const used = () => ({
    gateway: gateway === undefined ? undefined : processorSeconds(gateway),
    postgres: familyProcessorSeconds(postgres),
  });
  if (gateway !== undefined) clearPeak(gateway);
  const before = used();
  const started = performance.now();
  await work();
  const seconds = (performance.now() - started) / 1_000;
  const after = used();
  const difference = (of: 'gateway' | 'postgres'): number | undefined => {
    const [from, to] = [before[of], after[of]];
    return from === undefined || to === undefined ? undefined : to - from;
  };
  return {
    ...{ name, rows, seconds, gateway: difference('gateway'), postgres: difference('postgres') },
    peakMegabytes: gateway === undefined ? undefined : peakOf(gateway),
    load: loadavg()[0] ?? 0,
  };
}

const types = { csv: 'text/csv', ndjson: 'application/x-ndjson' } as const;
type Format = keyof typeof types;

const target = ({ gateway, tenantId, trust }: Scene, path: string) => ({
  url: `${gateway.admin}/api/v1/tenants/${tenantId}/devices/${path}`,
  options: { ca: trust, agent: false as const },
  headers: { authorization: `Bearer ${bootstrapKey}` },
});

async function sendFile(scene: Scene, file: string, format: Format, mode: string): Promise<Answer['json']> {
  const { headers, options, url } = target(scene, `import?mode=${mode}`);
  const outgoing = request(url, {
    ...options,
    method: 'POST',
    headers: { ...headers, 'content-type': types[format], 'content-length': statSync(file).size },
  });
  const answered = new Promise<string>((resolve, reject) => {
    outgoing.on('error', reject).on('response', (incoming) => {
      let text = '';
      incoming.on('data', (chunk: Buffer) => {
        text += chunk.toString('utf8');
      });
      incoming.on('error', reject).on('end', () => resolve(text));
    });
  });
  await pipeline(createReadStream(file), outgoing);
  return JSON.parse(await answered);
}

async function takeFile(scene: Scene, file: string, format: Format): Promise<void> {
  const { headers, options, url } = target(scene, 'export');
  await new Promise<void>((resolve, reject) => {
    request(url, { ...options, headers: { ...headers, accept: types[format] } }, (incoming) => {
      pipeline(incoming, createWriteStream(file)).then(resolve, reject);
    })
      .on('error', reject)
      .end();
  });
}

async function bareCopy(sql: postgres.Sql, file: string): Promise<void> {
  await sql`drop table if exists bare`;
  await sql`
    create table bare (device_id uuid primary key, instance_id uuid not null, jamf_computer_id int not null,
      serial_number text, udid text, pinned boolean not null)`;
  const into = await sql`copy bare from stdin with (format csv, header true)`.writable();
  await pipeline(createReadStream(file), into);
}

async function empty(sql: postgres.Sql): Promise<void> {
  await sql`truncate routes, route_changes, route_versions, computers, change_feed, route_reads`;
  await sql`checkpoint`;
}

const number = (value: number | undefined): string => (value === undefined ? '' : tenths(value));

const rowOf = (one: Measure): string[] => [
  one.name,
  tenths(one.seconds),
  whole(one.rows / one.seconds),
  number(one.gateway),
  number(one.postgres),
  one.peakMegabytes === undefined ? '' : whole(one.peakMegabytes),
  tenths(one.load),
];

/**
 * As a small container would have it: V8 takes its bound from the machine's memory, and on a large one it collects late and has
 * twice as much resident as it uses.
 */
const heapBound = '--max-old-space-size=256 --max-semi-space-size=16';

export async function importExport(run: Run): Promise<Finding[]> {
  const devices = run.options.devices ?? defaultDevices;
  const dir = mkdtempSync(join(tmpdir(), 'espalier-bench-'));
  run.stack.defer(() => rmSync(dir, { recursive: true, force: true }));
  const scene = await startScene(run, { NODE_OPTIONS: heapBound });
  const instances = [];
  for (const name of ['one', 'two', 'three']) instances.push((await scene.addInstance(name)).id);
  const files = writeFiles(dir, instances, devices);
  const pids = { gateway: scene.gateway.pid, postgres: scene.postgres };
  const found: Measure[] = [];
  const step = async (name: string, who: Pids, work: () => Promise<void>): Promise<void> => {
    run.signal.throwIfAborted();
    found.push(await measured(name, devices, who, work));
  };
  const bring = async (format: Format, mode: string, changed: number): Promise<void> => {
    const answer = await sendFile(scene, files[format], format, mode);
    if (answer.accepted !== devices || answer.changed !== changed)
      throw new Error(`the import answered ${JSON.stringify(answer).slice(0, 1_000)}`);
  };
  const same = (format: Format, file: string): string => {
    const lines = linesOf(file);
    if (format === 'csv') lines.shift();
    if (hashOf(lines) !== files.hashes[format]) throw new Error(`the exported ${format} is another set`);
    return `the exported ${format} has the lines that were imported, by SHA-256 of them sorted`;
  };
  const out = { csv: join(dir, 'out.csv'), ndjson: join(dir, 'out.ndjson') };
  await step('COPY into a bare table', { ...pids, gateway: undefined }, () => bareCopy(scene.sql, files.csv));
  await empty(scene.sql);
  await step('import CSV, partial', pids, () => bring('csv', 'partial', devices));
  await step('the same CSV again', pids, () => bring('csv', 'partial', 0));
  await step('export CSV', pids, () => takeFile(scene, out.csv, 'csv'));
  await empty(scene.sql);
  await step('import NDJSON, atomic', pids, () => bring('ndjson', 'atomic', devices));
  await step('export NDJSON', pids, () => takeFile(scene, out.ndjson, 'ndjson'));
  const imports = found.filter(({ name }) => name.startsWith('import'));
  const slowest = Math.max(...imports.map(({ seconds }) => seconds));
  const peak = Math.max(...found.map(({ peakMegabytes }) => peakMegabytes ?? 0));
  const mark = (holds: boolean): string => (holds ? 'holds ' : 'missed');
  return [
    {
      title: `${whole(devices)} routes of three instances, ${whole(statSync(files.csv).size / 1e6)} MB of CSV, ${whole(statSync(files.ndjson).size / 1e6)} MB of NDJSON`,
      lines: [
        ...columns([
          ['', 'seconds', 'rows/s', 'gateway cpu s', 'postgres cpu s', 'gateway peak MB', 'load'],
          ...found.map(rowOf),
        ]),
        same('csv', out.csv),
        same('ndjson', out.ndjson),
        ...(devices === defaultDevices
          ? [
              `${mark(slowest < bounds.seconds)}  imports below ${bounds.seconds} s: ${tenths(slowest)} s`,
              `${mark(peak < bounds.megabytes)}  gateway below ${bounds.megabytes} MB: ${whole(peak)} MB`,
            ]
          : []),
      ],
      data: { found },
    },
  ];
}
