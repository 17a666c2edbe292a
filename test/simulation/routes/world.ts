import { createRandom, type Random } from '../../../src/simulator/random.ts';
import type { Log } from '../../../src/telemetry/log.ts';
import { createScheduler, type Scheduler } from '../scheduler.ts';
import { createTrace, type Trace } from '../trace.ts';
import { Away, type CacheProcess, createCacheProcess } from './cache-process.ts';
import { createMemoryDatabase, type MemoryDatabase } from './memory-database.ts';
import { createTruth, type Truth } from './truth.ts';

/**
 * Several processes remember the routes of one database while everything happens to it. The law: once a poll that began
 * after a commit has ended, a process answers with nothing older than that commit, and never with another device's or
 * tenant's route. After a quiet time all agree with the database.
 */

const startMs = Date.UTC(2026, 0, 1);
const busyMs = 25 * 60_000;
const tenantCount = 3;
const maxAgeMs = 15 * 60_000;

export interface SeedResult {
  readonly breach: string | undefined;
  readonly hash: string;
  readonly answers: number;
  last(count: number): readonly string[];
}

interface World {
  readonly random: Random;
  readonly scheduler: Scheduler;
  readonly trace: Trace;
  readonly database: MemoryDatabase;
  readonly truth: Truth;
  readonly processes: readonly CacheProcess[];
  readonly tenants: readonly string[];
  readonly devices: readonly string[];
  breach(text: string): void;
  answers: number;
  nextNumber: number;
}

const routeText = (route: { instanceId: string; jamfComputerId: number } | undefined): string | undefined =>
  route && `${route.instanceId.slice(0, 4)}/${route.jamfComputerId}`;

function recordTruth({ database, tenants, truth }: World): void {
  const rows = new Map<string, string>();
  for (const [name, route] of database.routes) rows.set(name, routeText(route) ?? '');
  for (const tenantId of tenants) {
    const row = database.tenant(tenantId);
    if (row) rows.set(tenantId, String(row.value));
  }
  truth.note(rows);
}

/** Several routes of one tenant, some of them ended; every target is one that no other route ever has. */
function writesOf(world: World): Map<string, { instanceId: string; jamfComputerId: number } | undefined> {
  const { devices, random } = world;
  const writes = new Map<string, { instanceId: string; jamfComputerId: number } | undefined>();
  for (let count = random.integer(1, 4); count > 0; count -= 1) {
    world.nextNumber += 1;
    const target = { instanceId: random.guid(), jamfComputerId: world.nextNumber };
    writes.set(random.pick(devices), random.next() < 0.2 ? undefined : target);
  }
  return writes;
}

async function change(world: World): Promise<void> {
  const { database, random, scheduler, tenants, trace } = world;
  const tx = database.begin();
  const tenantId = random.pick(tenants);
  // Some take minutes: numbers are given out long before their commit.
  const pause = () =>
    scheduler.sleep(random.next() < 0.02 ? random.integer(0, 240_000) : random.integer(0, 900));
  await pause();
  const kind = random.next();
  if (kind < 0.8) await tx.writeRoutes(tenantId, writesOf(world));
  else if (kind < 0.92) {
    world.nextNumber += 1;
    tx.writeTenant(tenantId, world.nextNumber);
  } else {
    world.nextNumber += 1;
    tx.deleteTenant(tenantId, random.next() < 0.7 ? world.nextNumber : undefined);
  }
  await pause();
  if (random.next() < 0.1) tx.rollback();
  else {
    tx.commit();
    recordTruth(world);
    trace.line(`commit ${world.truth.now} ${kind < 0.8 ? 'routes' : 'tenant'} ${tenantId.slice(0, 4)}`);
  }
}

function check(
  world: World,
  process: CacheProcess,
  key: string,
  value: string | undefined,
  how: string,
  beganMs = world.scheduler.now(),
): void {
  world.answers += 1;
  world.trace.line(`${process.name} ${how} ${key.slice(0, 4)}/${key.slice(37, 41)} ${value}`);
  // What was last read serves an outage, although a change of it was heard of.
  const floor = process.lastAwayMs() >= beganMs ? 0 : process.floor();
  if (world.truth.was(key, value, floor)) return;
  world.breach(
    `${process.name} ${how} ${key}: ${value}, known since ${process.floor()}: ${world.truth.history(key)}`,
  );
}

async function call(world: World, process: CacheProcess): Promise<void> {
  const { devices, random, tenants } = world;
  const [tenantId, deviceId] = [random.pick(tenants), random.pick(devices)];
  const key = `${tenantId}/${deviceId}`;
  const peeked = process.cache.peek(tenantId, deviceId);
  if (peeked) {
    if (process.feed.silentMs() >= maxAgeMs) world.breach(`${process.name} served too old a memory`);
    check(world, process, key, routeText(peeked), 'peek');
  }
  const tenant = process.tenants.peek(tenantId);
  if (tenant) check(world, process, tenantId, String(tenant.value), 'tenant');
  try {
    const beganMs = world.scheduler.now();
    check(world, process, key, routeText(await process.cache.route(tenantId, deviceId)), 'route', beganMs);
    const againMs = world.scheduler.now();
    const row = await process.tenants.get(tenantId);
    check(world, process, tenantId, row && String(row.value), 'get', againMs);
  } catch (error) {
    if (!(error instanceof Away)) throw error;
  }
}

/** Does `work` again and again, at random times about `everyMs` apart, until the end of the busy time. */
function nowAndThen(world: World, everyMs: number, work: () => Promise<void> | void): void {
  const { random, scheduler } = world;
  const plan = (): void => {
    scheduler.after(random.next() * 2 * everyMs, () => {
      if (scheduler.now() >= startMs + busyMs) return;
      plan();
      Promise.resolve(work()).catch((error: unknown) => world.breach(String((error as Error).stack)));
    });
  };
  plan();
}

function keepBusy(world: World): void {
  const { database, processes, random, scheduler, trace } = world;
  const changesEveryMs = random.pick([800, 3_000, 15_000]);
  nowAndThen(world, changesEveryMs, () => change(world));
  // Bursts that wait for one another's lock.
  nowAndThen(world, 60_000, () => {
    for (let count = 0; count < 8; count += 1)
      change(world).catch((error: unknown) => world.breach(String(error)));
  });
  nowAndThen(world, 5 * 60_000, database.backUp);
  nowAndThen(world, 12 * 60_000, () => {
    database.restore();
    recordTruth(world);
    trace.line(`restored, ${world.truth.now}`);
  });
  for (const process of processes) {
    nowAndThen(world, 700, () => call(world, process));
    nowAndThen(world, 1_500, process.poll);
    nowAndThen(world, 30_000, process.preload);
    nowAndThen(world, 5_000, () => void process.cache.sweep());
    nowAndThen(world, 60_000, () => process.feed.prune().catch(() => undefined));
    nowAndThen(world, 120_000, () => {
      process.setAway(true);
      const forMs = random.next() < 0.15 ? random.integer(5, 14) * 60_000 : random.integer(100, 20_000);
      scheduler.after(forMs, () => process.setAway(false));
    });
  }
}

async function agree(world: World): Promise<void> {
  const { devices, processes, tenants, truth } = world;
  for (const process of processes) {
    for (const tenantId of tenants) {
      const row = await process.tenants.get(tenantId);
      if ((row && String(row.value)) !== truth.value(tenantId))
        world.breach(`${process.name} does not agree on tenant ${tenantId}`);
      for (const deviceId of devices) {
        const key = `${tenantId}/${deviceId}`;
        const found = routeText(await process.cache.route(tenantId, deviceId));
        if (found !== truth.value(key)) world.breach(`${process.name} does not agree on ${key}: ${found}`);
      }
    }
  }
}

const silent: Log = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};

function createWorld(seed: number, breach: (text: string) => void): World {
  const random = createRandom(seed);
  const scheduler = createScheduler(random, startMs);
  const trace = createTrace(scheduler.now, startMs);
  const database = createMemoryDatabase(scheduler.now);
  const truth = createTruth();
  const deviceCount = random.pick([3, 12, 40]);
  const entries = random.pick([1, 8, 30, 1_000]);
  const processes = ['alder', 'birch', 'cedar'].map((name) =>
    createCacheProcess({ name, database, truth, scheduler, random, log: silent, entries, maxAgeMs }),
  );
  return {
    random,
    scheduler,
    trace,
    database,
    truth,
    processes,
    tenants: Array.from({ length: tenantCount }, random.guid),
    devices: Array.from({ length: deviceCount }, random.guid),
    breach,
    answers: 0,
    nextNumber: 1,
  };
}

export async function runSeed(seed: number): Promise<SeedResult> {
  let found: string | undefined;
  const world = createWorld(seed, (text) => {
    found ??= text;
  });
  const { database, processes, scheduler, tenants, trace } = world;
  for (const tenantId of tenants) {
    const tx = database.begin();
    tx.writeTenant(tenantId, 1);
    tx.commit();
  }
  recordTruth(world);
  keepBusy(world);
  const broken = () => found !== undefined;
  // The longest transaction and the longest absence end before the quiet time does.
  await scheduler.runUntil(startMs + busyMs + 30 * 60_000, () => undefined, broken);
  for (const process of processes) process.setAway(false);
  let done = false;
  const settled = Promise.all(processes.map(async ({ poll }) => poll()))
    .then(() => agree(world))
    .finally(() => {
      done = true;
    });
  if (!broken())
    await scheduler.runUntil(
      startMs + busyMs + 120 * 60_000,
      () => undefined,
      () => done || broken(),
    );
  if (!done && !broken()) found = 'the processes never came to rest';
  if (!broken()) await settled;
  return { breach: found, hash: trace.hash(), answers: world.answers, last: trace.last };
}
