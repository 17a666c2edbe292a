import { Agent } from 'node:https';
import { loadavg } from 'node:os';
import { freePort } from '../test/harness/ports.ts';
import { adminApi, bootstrapKey } from './admin-api.ts';
import { askToken } from './caller-token.ts';
import { type CloudScene, type ConnectedTenant, startCloudScene } from './cloud-scene.ts';
import { seededTenants, seedFleet } from './console/fleet-sql.ts';
import { measurePage, type PageMeasure, pagesOf, signIn } from './console/pages.ts';
import type { SteadyPlan, SteadyResult } from './console/steady-calls.ts';
import type { Watched, WatchersPlan } from './console/watchers.ts';
import { pushAll, stateOf } from './delivery.ts';
import { deviceIdOf } from './fleet.ts';
import { median } from './rounds.ts';
import { type Finding, type Run, unlessAborted, until, wait } from './run.ts';
import type { StreamPlan, StreamResult } from './stream.ts';
import { columns, tenths, whole } from './table.ts';
import { startUsage } from './usage.ts';
import { startWorker, type Worker } from './worker.ts';

/**
 * What the console costs with a provider's fleet: the time and size of its pages, then what fifty open overviews take of
 * the gateway beside delivery and device calls, in rounds with and without them by turns.
 */

const defaultDevices = 100_000;
const samples = 40;
const warmUps = 5;
const bounds = { milliseconds: 300, bytes: 100_000, percentOfCore: 2 } as const;

const watchers = 50;
const defaultPairs = 4;
const firstFetchesMs = 4_000;
const defaultSeconds = 20;
const reportsPerSecond = 20;
const callsPerSecond = 100;
/** Something that the overview shows changes so often, in rounds of both kinds: there is always something new. */
const changeEveryMs = 1_000;
const settleMs = 3_000;
const patienceMs = 120_000;

interface Parts {
  readonly run: Run;
  readonly scene: CloudScene;
  readonly tenant: ConnectedTenant;
  readonly origin: string;
  readonly authorization: string;
  readonly stream: Worker<StreamPlan, StreamResult>;
  readonly calls: Worker<SteadyPlan, SteadyResult>;
  readonly people: Worker<WatchersPlan, Watched>;
}

interface Round {
  readonly open: boolean;
  /** Percent of a core. */
  readonly gateway: number;
  readonly postgres: number;
  readonly transactionsPerSecond: number;
  readonly calls: SteadyResult;
  readonly watched: Watched | undefined;
}

async function transactions({ sql }: CloudScene): Promise<number> {
  await sql`select pg_stat_clear_snapshot()`;
  const [row] = await sql<{ count: number }[]>`
    select xact_commit::float8 as count from pg_stat_database where datname = current_database()`;
  return row?.count ?? 0;
}

/** A tenant is held and released, over and over; the function ends it. */
function keepChanging({ sql }: CloudScene): () => Promise<void> {
  const change = () => sql`
    update tenants set hold = case when hold is null then '{"cause":"bench","detail":"Held by the bench.","remedy":"None.",
      "owner":"espalier","since":"2026-11-29T00:00:00Z"}'::jsonb end
    where tenant_id = md5('console tenant1')::uuid`;
  let changing: Promise<unknown> = Promise.resolve();
  const timer = setInterval(() => {
    changing = change().execute();
  }, changeEveryMs);
  return async () => {
    clearInterval(timer);
    await changing;
  };
}

/** 50 sessions of 50 people, a fifth of them admins. */
async function peoplesCookies({ origin, scene }: Parts): Promise<string[]> {
  const first = await scene.api('POST', '/keys', { name: 'bench', role: 'admin' });
  // From now on the bootstrap key opens nothing.
  const api = adminApi(scene.gateway.admin, scene.trust, first.key);
  const cookies: string[] = [];
  for (let person = 0; person < watchers; person += 1) {
    const role = person % 5 === 0 ? 'admin' : 'operator';
    const { key } = await api('POST', '/keys', { name: `person ${person}`, role });
    cookies.push(await signIn(origin, scene.trust, key));
  }
  return cookies;
}

async function playRound(parts: Parts, open: boolean, number: number, durationMs: number): Promise<Round> {
  const { authorization, calls, people, run, scene, stream, tenant } = parts;
  await wait(settleMs, run.signal);
  const senders = [{ number: tenant.number, instanceId: tenant.instanceId, key: tenant.key, firstDevice: 0 }];
  const { gateway, trust: ca } = scene;
  const reports = { origin: gateway.data, ca, perSecond: reportsPerSecond, durationMs, senders };
  const paths = Array.from(
    { length: tenant.devices },
    (_, device) => `/t/${tenant.tenantId}/devices/${deviceIdOf(tenant.number, device)}/compliance`,
  );
  const device = { origin: gateway.data, ca, perSecond: callsPerSecond, durationMs, authorization, paths };
  const endChanging = keepChanging(scene);
  const before = await transactions(scene);
  const endUsage = startUsage(scene.processes);
  const started = performance.now();
  const [called, watched] = await unlessAborted(
    run.signal,
    Promise.all([
      calls.ask(device, durationMs + patienceMs),
      open ? people.ask({ kind: 'watch', durationMs }, durationMs + patienceMs) : undefined,
      stream.ask({ ...reports, state: stateOf(number) }, durationMs + patienceMs),
    ]),
  );
  const usage = endUsage();
  const seconds = (performance.now() - started) / 1_000;
  await endChanging();
  // The statistics of other sessions arrive within a second of their last transaction.
  await wait(1_500, run.signal);
  return {
    open,
    gateway: (usage.gateway ?? 0) * 100,
    postgres: (usage.postgres ?? 0) * 100,
    transactionsPerSecond: ((await transactions(scene)) - before) / seconds,
    calls: called,
    watched,
  };
}

async function playRounds(parts: Parts): Promise<Round[]> {
  const { origin, people, run, scene } = parts;
  const { rounds: pairs = defaultPairs, seconds = defaultSeconds } = run.options;
  const cookies = await peoplesCookies(parts);
  const rounds: Round[] = [];
  // The first pair warms everything up and is not counted.
  for (let pair = 0; pair <= pairs; pair += 1) {
    for (const open of pair % 2 === 0 ? [false, true] : [true, false]) {
      if (open) {
        await people.ask({ kind: 'open', origin, ca: scene.trust, cookies }, patienceMs);
        // What a page that was just opened fetches at its first event is not what an open one costs, so there are events here.
        const endChanging = keepChanging(parts.scene);
        await wait(firstFetchesMs, run.signal);
        await endChanging();
      }
      const round = await playRound(parts, open, 10 + rounds.length, seconds * 1_000);
      if (open) await people.ask({ kind: 'close' }, patienceMs);
      rounds.push(round);
    }
  }
  return rounds.slice(2);
}

const spread = (values: readonly number[]): string =>
  `${tenths(median(values))} (${tenths(Math.min(...values))} to ${tenths(Math.max(...values))})`;

const mark = (holds: boolean): string => (holds ? 'holds ' : 'missed');

function pagesFinding(pages: readonly PageMeasure[], devices: number, load: number): Finding {
  const slow = pages.filter(({ p95Ms }) => p95Ms >= bounds.milliseconds);
  const large = pages.filter(({ compressedBytes }) => compressedBytes >= bounds.bytes);
  const named = (some: readonly PageMeasure[]): string =>
    some.length === 0 ? 'all' : `not ${some.map(({ name }) => name).join('; ')}`;
  return {
    title: `pages beside ${whole(seededTenants)} tenants, one of ${whole(devices)} devices; load ${load.toFixed(2)}`,
    lines: [
      ...columns([
        ['', 'first ms', 'median ms', '95th ms', 'slowest ms', 'kB', 'kB compressed'],
        ...pages.map((page) => [
          page.name,
          ...[page.coldMs, page.medianMs, page.p95Ms, page.slowestMs].map(tenths),
          ...[page.bytes, page.compressedBytes].map((bytes) => tenths(bytes / 1_000)),
        ]),
      ]),
      `${mark(slow.length === 0)}  95th below ${bounds.milliseconds} ms: ${named(slow)}`,
      `${mark(large.length === 0)}  below ${bounds.bytes / 1_000} kB compressed: ${named(large)}`,
    ],
    data: { devices, tenants: seededTenants, load, pages },
  };
}

function watchersFinding(rounds: readonly Round[], load: number): Finding {
  const of = (open: boolean) => rounds.filter((round) => round.open === open);
  const differences = (value: (round: Round) => number): number[] =>
    of(true).map((round, pair) => value(round) - value(of(false)[pair]!));
  const row = (name: string, some: readonly Round[]): string[] => [
    name,
    ...[
      (round: Round) => round.gateway,
      (round: Round) => round.postgres,
      (round: Round) => round.transactionsPerSecond,
      (round: Round) => round.calls.p50Ms,
      (round: Round) => round.calls.p99Ms,
    ].map((value) => spread(some.map(value))),
  ];
  const gateway = differences((round) => round.gateway);
  const p99 = differences(({ calls }) => calls.p99Ms);
  const watched = of(true).flatMap((round) => round.watched ?? []);
  const sum = (value: (one: Watched) => number): number => watched.reduce((all, one) => all + value(one), 0);
  return {
    title: `${watchers} open overviews beside ${reportsPerSecond} reports and ${callsPerSecond} device calls a second; load ${load.toFixed(2)}`,
    lines: [
      ...columns([
        ['', 'gateway % of a core', 'PostgreSQL %', 'transactions/s', 'call p50 ms', 'call p99 ms'],
        row('nobody looks', of(false)),
        row(`${watchers} look`, of(true)),
      ]),
      `differences by pair: gateway ${spread(gateway)} % of a core, PostgreSQL ${spread(differences(({ postgres }) => postgres))} %, transactions/s ${spread(differences(({ transactionsPerSecond }) => transactionsPerSecond))}, p99 ${spread(p99)} ms`,
      `${whole(sum(({ events }) => events))} events, ${whole(sum(({ fetches }) => fetches))} fetches of ${tenths(
        sum(({ bytes }) => bytes) /
          Math.max(
            1,
            sum(({ fetches }) => fetches),
          ) /
          1_000,
      )} kB, p50 ${spread(watched.map(({ p50Ms }) => p50Ms))} ms, p99 ${spread(watched.map(({ p99Ms }) => p99Ms))} ms`,
      `${mark(median(gateway) < bounds.percentOfCore)}  below ${bounds.percentOfCore} % of a core: ${tenths(median(gateway))} %`,
    ],
    data: { load, rounds },
  };
}

/** Every device of the delivering tenant has its route and its first report. */
async function learn({ run, scene, tenant }: Pick<Parts, 'run' | 'scene' | 'tenant'>): Promise<void> {
  await pushAll(scene, stateOf(1), run.signal);
  const { tenantId } = tenant;
  const wanted = { everyMs: 500, patienceMs, signal: run.signal };
  await until('the first reports were told', wanted, async () => {
    const [row] = await scene.sql<{ done: number }[]>`
      select count(*)::int as done from reports
      where tenant_id = ${tenantId} and state in ('completed', 'verified')`;
    return { done: row?.done === tenant.devices, now: `${row?.done} of ${tenant.devices}` };
  });
}

export async function consoleBench(run: Run): Promise<Finding[]> {
  const { devices = defaultDevices, seconds = defaultSeconds } = run.options;
  const port = await freePort();
  const origin = `https://localhost:${port}`;
  const settings = { ESPALIER_ADMIN_LISTEN: `127.0.0.1:${port}`, ESPALIER_ADMIN_URL: origin };
  const scene = await startCloudScene(run, { tenants: [seconds * reportsPerSecond], settings });
  const [tenant] = scene.tenants;
  if (!tenant) throw new Error('the scene has no tenant');
  await learn({ run, scene, tenant });
  const fleet = await seedFleet(scene.sql, devices, run.signal);
  const cookie = await signIn(origin, scene.trust, bootstrapKey);
  const agent = new Agent({ ca: scene.trust, keepAlive: true, servername: 'localhost' });
  run.stack.defer(() => agent.destroy());
  const load = loadavg()[0] ?? 0;
  const pages: PageMeasure[] = [];
  for (const page of pagesOf(fleet, devices)) {
    run.signal.throwIfAborted();
    const measuring = measurePage({ agent, cookie, origin }, page, { samples, warmUps });
    pages.push(
      await measuring.catch((cause: unknown) => {
        throw new Error(`${cause}\n${scene.gateway.output()}`, { cause });
      }),
    );
  }
  const token = await askToken(scene.caller, tenant.tenantId, scene.ca);
  const started = <Q extends object, A>(module: string): Worker<Q, A> => {
    const worker = startWorker<Q, A>(module);
    run.stack.defer(() => worker.stop());
    return worker;
  };
  const parts: Parts = {
    ...{ run, scene, tenant, origin, authorization: `Bearer ${token}` },
    stream: started('./stream.ts'),
    calls: started('./console/steady-calls.ts'),
    people: started('./console/watchers.ts'),
  };
  const before = loadavg()[0] ?? 0;
  return [pagesFinding(pages, devices, load), watchersFinding(await playRounds(parts), before)];
}
