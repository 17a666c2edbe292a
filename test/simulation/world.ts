import type { ReportContent } from '../../src/delivery/reports/report.ts';
import { createRandom, type Random } from '../../src/simulator/random.ts';
import { createMemoryReports } from '../harness/memory-report-store.ts';
import { type GatewayProcess, type ProcessWorld, startProcess } from './gateway-process.ts';
import { createIntune, moods } from './intune.ts';
import { createLaws } from './laws.ts';
import { endsFailed, type Plan, type Poison, planOf, poisons } from './plan.ts';
import { createScheduler } from './scheduler.ts';
import { changeTenant, checkHeld, type Database, newTenant } from './shared-state.ts';
import { createTrace } from './trace.ts';

/** One run: troubles for a while, then none, and in the end Intune has the newest state of every device. */
export interface Outcome {
  readonly plan: Plan;
  /** Undefined: every law held. */
  readonly breach: string | undefined;
  readonly hash: string;
  readonly lines: number;
  readonly last: (count: number) => readonly string[];
}

const startMs = Date.UTC(2026, 0, 5);
/** After the last trouble: longest back-off, open circuit, hold and lease several times over. */
const recoveryMs = 4 * 60_000;
const stopMs = 120_000;
/** New states go on for so long after the troubles, and Intune is never further behind than this. */
const goesOnMs = 200_000;
const behindMs = 150_000;

interface Device {
  readonly tenantId: string;
  readonly deviceId: string;
  readonly poison: Poison | undefined;
  version: number;
  /** When each version was told first. */
  readonly toldAtMs: number[];
}

const contentOf = (version: number, tellable: boolean, lastCheckInAt: string): ReportContent => ({
  userId: 'user',
  deviceName: 'Mac',
  osVersion: String(version),
  lastCheckInAt,
  reportedAt: null,
  managed: true,
  inventoryState: 0,
  verdict: tellable ? 'compliant' : 'unknown',
});

/** Names that are read easily in a trace. */
function populate(plan: Plan, random: Random): Device[] {
  const devices: Device[] = [];
  for (let t = 0; t < plan.tenants; t += 1) {
    const count = random.integer(1, plan.devices);
    for (let d = 0; d < count; d += 1) {
      const poison = random.next() < plan.poisonShare ? random.pick(poisons) : undefined;
      devices.push({
        tenantId: `tenant${t}`,
        deviceId: `t${t}d${String(d).padStart(2, '0')}`,
        poison,
        version: 0,
        toldAtMs: [],
      });
    }
  }
  return devices;
}

export async function runSeed(seed: number): Promise<Outcome> {
  const random = createRandom(seed);
  const plan = planOf(seed, random);
  const scheduler = createScheduler(random, startMs);
  const trace = createTrace(scheduler.now, startMs);
  const laws = createLaws(plan, scheduler.now, trace);
  const devices = populate(plan, random);
  const poisonOf = new Map(devices.map(({ deviceId, poison }) => [deviceId, poison]));
  const database: Database = {
    reports: createMemoryReports(scheduler.now, () => scheduler.sleep(random.next() * 4)),
    tenants: new Map(),
    down: false,
    lives: 1,
    slowMs: plan.calm ? 10 : 100,
    faultShare: 0,
  };
  const tenantIds = [...new Set(devices.map(({ tenantId }) => tenantId))];
  for (const tenantId of tenantIds) {
    database.tenants.set(tenantId, {
      tenant: newTenant(tenantId),
      closedSinceMs: undefined,
      heldSinceMs: undefined,
    });
  }
  const intune = createIntune({
    scheduler,
    random,
    trace,
    laws,
    poisonOf: (deviceId) => poisonOf.get(deviceId),
  });
  let processes: GatewayProcess[] = [];
  let troubles = true;
  let started = 0;
  const notify = (): void => {
    for (const { isAlive, runner } of processes) {
      if (isAlive() && random.next() < 0.7)
        scheduler.after(random.next() * 100, () => isAlive() && runner.wake());
    }
  };
  const entraFails = (): boolean => troubles && random.next() < 0.02;
  const world: ProcessWorld = {
    plan,
    random,
    scheduler,
    trace,
    laws,
    database,
    intune,
    notify,
    entraFails,
  };
  const start = (): void => {
    started += 1;
    processes = [...processes.filter(({ isAlive }) => isAlive()), startProcess(world, `p${started}`)];
  };

  const tell = (device: Device, tellable = true): void => {
    device.version += 1;
    device.toldAtMs.push(scheduler.now());
    const { deviceId, tenantId, version } = device;
    trace.line(`state ${version} of ${deviceId}${tellable ? '' : ', not to be told'}`);
    const content = contentOf(version, tellable, new Date(scheduler.now()).toISOString());
    database.reports.setReports(tenantId, [{ deviceId, instanceId: 'instance', content, traceparent: null }]);
    for (const { isAlive, runner } of processes) {
      if (isAlive() && random.next() < 0.5) runner.wake([{ tenantId, background: false }]);
    }
  };
  const open = (tenantId: string): void => {
    trace.line(`opens ${tenantId}`);
    changeTenant(database, tenantId, { paused: false, connectionState: 'connected' }, scheduler.now());
    checkHeld(database, tenantId);
    notify();
  };
  const close = (tenantId: string): void => {
    const change = random.next() < 0.5 ? { paused: true } : { connectionState: 'disabled' as const };
    trace.line(`closes ${tenantId} ${JSON.stringify(change)}`);
    changeTenant(database, tenantId, change, scheduler.now());
    scheduler.after(random.integer(1, 40_000), () => open(tenantId));
  };
  /** An operator picks one report, or a tenant's. */
  const replay = (): void => {
    const { deviceId, tenantId } = random.pick(devices);
    const all = random.next() < 0.5;
    trace.line(`replays ${all ? tenantId : deviceId}`);
    database.reports.update((row, nowMs) => {
      if (row.tenantId !== tenantId || (!all && row.deviceId !== deviceId)) return undefined;
      if (row.state === 'held') return { nextTryAtMs: nowMs };
      if (!['failed', 'completed', 'verified'].includes(row.state)) return undefined;
      return {
        revision: row.revision + 1,
        state: 'due',
        reason: 'replay',
        detail: null,
        verification: null,
        attempts: 0,
        background: true,
        failedAtMs: null,
        dueSinceMs: nowMs,
        nextTryAtMs: nowMs + random.integer(0, 500),
      };
    });
    notify();
  };
  const crash = (): void => {
    const alive = processes.filter(({ isAlive }) => isAlive());
    if (alive.length === 0) return;
    random.pick(alive).crash();
    scheduler.after(random.integer(100, 20_000), start);
  };
  const leave = (): void => {
    const alive = processes.filter(({ isAlive }) => isAlive());
    if (alive.length === 0) return;
    const one = random.pick(alive);
    trace.line(`${one.name} is asked to stop`);
    void one.runner.stop().then(() => {
      trace.line(`${one.name} has stopped`);
      one.crash();
    });
    scheduler.after(random.integer(100, 5_000), start);
  };
  const ill = (): void => {
    const kind = random.next();
    if (kind < 0.4) {
      const holders = new Map(database.reports.rows().map((row) => [row.deviceId, row.leaseOwner]));
      if (random.next() < 0.5) database.reports.crash(random.next());
      const rows = database.reports.rows();
      laws.lost(rows.flatMap((row) => (holders.get(row.deviceId) === row.leaseOwner ? [] : [row.deviceId])));
      database.lives += 1;
      database.down = true;
      scheduler.after(random.integer(100, 25_000), () => {
        database.down = false;
      });
    } else if (kind < 0.7) {
      database.slowMs = random.integer(1_000, 25_000);
      scheduler.after(random.integer(1_000, 20_000), () => {
        database.slowMs = 100;
      });
    } else {
      database.faultShare = random.next() * 0.3;
      scheduler.after(random.integer(1_000, 20_000), () => {
        database.faultShare = 0;
      });
    }
    trace.line(`database is ${kind < 0.4 ? 'down' : kind < 0.7 ? 'slow' : 'faulty'}`);
  };
  const freeze = (): void => {
    const alive = processes.filter(({ isAlive }) => isAlive());
    if (alive.length > 0) random.pick(alive).freeze(random.integer(500, 30_000));
  };
  const mood = (): void => {
    const tenantId = random.pick(tenantIds);
    const now = random.pick(moods);
    trace.line(`intune is ${now} for ${tenantId}`);
    intune.setMood(tenantId, now);
  };

  /** Again and again while there are troubles, about every `ms`. */
  const repeatedly = (ms: number, work: () => void): void => {
    scheduler.after(random.next() * 2 * ms, () => {
      if (!troubles) return;
      work();
      repeatedly(ms, work);
    });
  };
  for (let index = 0; index < plan.processes; index += 1) scheduler.after(random.integer(0, 2_000), start);
  for (const device of devices) scheduler.after(random.integer(0, 5_000), () => tell(device));
  repeatedly(random.integer(200, 8_000), () => tell(random.pick(devices), random.next() < 0.95));
  repeatedly(5_000, mood);
  repeatedly(40_000, () => close(random.pick(tenantIds)));
  repeatedly(15_000, replay);
  repeatedly(60_000, leave);
  if (!plan.calm) {
    repeatedly(30_000, crash);
    repeatedly(30_000, freeze);
    repeatedly(20_000, ill);
  }

  const step = (): void => undefined;
  const isBroken = (): boolean => laws.breach() !== undefined;
  await scheduler.runUntil(startMs + plan.troubleMs, step, isBroken);
  troubles = false;
  trace.line('the troubles are over');
  for (const tenantId of tenantIds) {
    intune.setMood(tenantId, 'fine');
    if (database.tenants.get(tenantId)!.closedSinceMs !== undefined) open(tenantId);
  }
  const untold = new Set(
    database.reports.rows().flatMap((row) => (row.content.includes('"unknown"') ? [row.deviceId] : [])),
  );
  for (const device of devices) if (untold.has(device.deviceId) || device.version === 0) tell(device);
  const behind = (): Device[] =>
    devices.filter(({ deviceId, poison, toldAtMs }) => {
      const shouldHave = toldAtMs.filter((atMs) => atMs < scheduler.now() - behindMs).length;
      return poison === undefined && intune.versionOf(deviceId) < shouldHave;
    });
  if (plan.goesOn && !isBroken()) {
    const pauseMs = random.integer(50, 1_000);
    const untilMs = scheduler.now() + goesOnMs;
    const tellMore = (): void => {
      if (scheduler.now() > untilMs) return;
      tell(random.pick(devices));
      scheduler.after(random.next() * 2 * pauseMs, tellMore);
    };
    tellMore();
    await scheduler.runUntil(untilMs, step, isBroken);
    if (!isBroken() && behind().length > 0) {
      laws.broken(`kept waiting: ${behind().map(({ deviceId }) => deviceId)}`);
    }
  }
  const unfinished = (): Device[] => {
    const rows = new Map(database.reports.rows().map((row) => [row.deviceId, row]));
    return devices.filter(({ deviceId, poison, version }) => {
      const row = rows.get(deviceId);
      if (!row) return true;
      if (poison !== undefined) return endsFailed(poison) && row.state !== 'failed';
      const confirmed = row.state === 'completed' && row.confirmedRevision === row.revision;
      return !confirmed || intune.versionOf(deviceId) !== version;
    });
  };
  let nextPollMs = 0;
  let finished = false;
  const isFinished = (): boolean => {
    if (scheduler.now() < nextPollMs) return finished;
    nextPollMs = scheduler.now() + 250;
    finished = unfinished().length === 0;
    return finished;
  };
  const endMs = scheduler.now() + recoveryMs;
  await scheduler.runUntil(endMs, step, () => isBroken() || isFinished());
  if (!isBroken() && !isFinished()) {
    laws.broken(
      `not delivered: ${unfinished().map(({ deviceId, poison }) => `${deviceId} ${poison ?? ''}`)}`,
    );
  }
  const last = processes.filter(({ isAlive }) => isAlive());
  let stopped = 0;
  for (const { runner } of last) {
    void runner.stop().then(() => {
      stopped += 1;
    });
  }
  await scheduler.runUntil(scheduler.now() + stopMs, step, () => isBroken() || stopped === last.length);
  if (!isBroken() && stopped < last.length) laws.broken('a process does not stop');
  const { hash, lines } = trace;
  return { plan, breach: laws.breach(), hash: hash(), lines: lines(), last: trace.last };
}
