import type { MicrosoftPort } from '../../src/delivery/microsoft.ts';
import type { ReportTenants } from '../../src/delivery/reports/report-options.ts';
import { reportStage } from '../../src/delivery/reports/report-stage.ts';
import { backoffSeconds } from '../../src/delivery/stage/backoff.ts';
import { createCircuits } from '../../src/delivery/stage/circuit.ts';
import { runStage, type Stage, type StageRunner } from '../../src/delivery/stage/run-stage.ts';
import type { Cloud } from '../../src/entra/clouds.ts';
import { defaultApiVersions } from '../../src/intune/api-versions.ts';
import type { Send } from '../../src/outbound/port.ts';
import type { Random } from '../../src/simulator/random.ts';
import type { DueSchedule } from '../../src/store/due-rows.ts';
import type { DueReport, ReportStore } from '../../src/store/reports/report-row.ts';
import type { Tenant } from '../../src/store/tenants/tenant.ts';
import type { Log } from '../../src/telemetry/log.ts';
import { atOnce } from '../../src/untrusted/turns.ts';
import { devicesOf, type Intune, idOf, tenantOf } from './intune.ts';
import type { Laws } from './laws.ts';
import type { Plan } from './plan.ts';
import type { Scheduler } from './scheduler.ts';
import { changeTenant, checkHeld, type Database, recordHold } from './shared-state.ts';
import type { Trace } from './trace.ts';

/** One gateway process: the real stage with everything that it touches behind a wall that can fall. */
export interface GatewayProcess {
  readonly name: string;
  readonly runner: StageRunner;
  isAlive(): boolean;
  /** kill -9: nothing that it waits for ever comes, no timer of it fires. */
  crash(): void;
  /** SIGSTOP, a swapping machine: everything comes late. */
  freeze(ms: number): void;
}

export interface ProcessWorld {
  readonly plan: Plan;
  readonly random: Random;
  readonly scheduler: Scheduler;
  readonly trace: Trace;
  readonly laws: Laws;
  readonly database: Database;
  readonly intune: Intune;
  /** Tells the other processes that anything of these schedules may be due; some of it is lost. */
  readonly notify: () => void;
  /** Entra gives no tokens. */
  readonly entraFails: () => boolean;
}

const storeError = (code: string): Error => Object.assign(new Error(code), { code });
const cacheMs = 1_000;

/** The wall: what comes to the process, late when it is frozen, never when it is dead. */
function createWall(scheduler: Scheduler) {
  let alive = true;
  let frozenUntilMs = 0;
  const deliver = (work: () => void): void => {
    if (!alive) return;
    const wait = frozenUntilMs - scheduler.now();
    if (wait > 0) scheduler.after(wait, () => deliver(work));
    else work();
  };
  return {
    deliver,
    isAlive: () => alive,
    crash: () => {
      alive = false;
    },
    freeze: (ms: number) => {
      frozenUntilMs = scheduler.now() + ms;
    },
    /** The promise as the process sees it. */
    through: <T>(outside: Promise<T>): Promise<T> =>
      new Promise((resolve, reject) => {
        outside.then(
          (value) => deliver(() => resolve(value)),
          (error: unknown) => deliver(() => reject(error)),
        );
      }),
  };
}

type Wall = ReturnType<typeof createWall>;
/** One call of the database, with all that may happen to it. */
type Query = <T>(work: () => T | Promise<T>) => Promise<T>;

function createQuery({ database, random, scheduler }: ProcessWorld, wall: Wall): Query {
  const latency = (): number => (random.next() < 0.1 ? random.next() * database.slowMs : random.next() * 5);
  return (work) =>
    wall.through(
      (async () => {
        await scheduler.sleep(latency());
        // What was sent before the process died may still be done.
        if (!wall.isAlive() && random.next() < 0.5) return new Promise<never>(() => undefined);
        if (database.down) throw storeError('ECONNREFUSED');
        const dice = random.next();
        if (dice < database.faultShare / 2) throw storeError('CONNECTION_CLOSED');
        const { lives } = database;
        const value = await work();
        await scheduler.sleep(latency());
        if (dice < database.faultShare || lives !== database.lives) throw storeError('CONNECTION_CLOSED');
        return value;
      })(),
    );
}

function watchedStore(
  world: ProcessWorld,
  name: string,
  query: Query,
  onDue: (due: DueSchedule) => void,
): ReportStore {
  const { database, laws, trace } = world;
  const store = database.reports.store(onDue);
  return {
    look: () => query(store.look),
    settleSchedules: (schedules) => query(() => store.settleSchedules(schedules)),
    lease: (holder, shares) =>
      query(async () => {
        const before = new Map(database.reports.rows().map((row) => [row.deviceId, row]));
        const rows = await store.lease(holder, shares);
        const ranOut = rows.flatMap(({ deviceId }) => {
          const row = before.get(deviceId);
          return row?.leaseOwner ? [row] : [];
        });
        trace.line(
          `${name} leases ${rows.length}${ranOut.length > 0 ? `, ${ranOut.length} had run out` : ''}`,
        );
        laws.leased(name, rows, ranOut);
        return rows;
      }),
    renew: (held) => query(() => store.renew(held)),
    storeMessage: (holder, message) =>
      query(async () => {
        const devices = await store.storeMessage(holder, message);
        laws.stored(message, devices);
        trace.line(`${name} stores ${message.messageId} of ${devices.size}`);
        return devices;
      }),
    stillHeld: (holder, rows) => query(() => store.stillHeld(holder, rows)),
    settle: (settled) =>
      query(async () => {
        const holders = new Map(database.reports.rows().map((row) => [row.deviceId, row.leaseOwner]));
        for (const one of settled) {
          if (holders.get(one.row.deviceId) !== one.holder) continue;
          const { found, row } = one;
          trace.line(
            `${name} settles ${row.deviceId} ${found.state ?? row.state} ${found.reason ?? ''} ${found.waitSeconds?.toFixed(2)}`,
          );
          laws.settled(one);
        }
        await store.settle(settled);
      }),
    regroup: (one, holder, waitSeconds) => query(() => store.regroup(one, holder, waitSeconds)),
    release: (rows, holder) => query(() => store.release(rows, holder)),
  };
}

function createTenants(world: ProcessWorld, query: Query): ReportTenants {
  const { database, notify, scheduler } = world;
  const cache = new Map<string, { readonly tenant: Tenant | undefined; readonly atMs: number }>();
  const fresh = async (tenantId: string): Promise<Tenant | undefined> => {
    const tenant = await query(() => database.tenants.get(tenantId)?.tenant);
    cache.set(tenantId, { tenant, atMs: scheduler.now() });
    return tenant;
  };
  return {
    fresh,
    tenant: async (tenantId) => {
      const known = cache.get(tenantId);
      return known && scheduler.now() - known.atMs < cacheMs ? known.tenant : fresh(tenantId);
    },
    hold: async (tenant, hold) => {
      if (tenant.hold?.cause === hold.cause) return;
      await query(() => recordHold(database, tenant.tenantId, hold, scheduler.now()));
      cache.delete(tenant.tenantId);
    },
    release: async ({ hold, tenantId }) => {
      if (hold === null) return;
      await query(() => changeTenant(database, tenantId, { hold: null }, scheduler.now()));
      cache.delete(tenantId);
      await query(() => checkHeld(database, tenantId));
      notify();
    },
    silence: async ({ tenantId }, until) => {
      await query(() => changeTenant(database, tenantId, { intuneQuietUntil: until }, scheduler.now()));
      cache.delete(tenantId);
    },
  };
}

function createMicrosoft({ entraFails, random, scheduler }: ProcessWorld, wall: Wall): MicrosoftPort {
  const failure = (kind: 'hold' | 'retry', cause: string) =>
    ({ ok: false, kind, cause, detail: '', remedy: '', owner: 'configuration' }) as const;
  return {
    intune: async ({ connectionState, paused, tenantId }) => {
      await wall.through(scheduler.sleep(random.next() * 20));
      if (paused) return failure('hold', 'paused');
      if (connectionState !== 'connected') return failure('hold', 'not-connected');
      if (entraFails()) return failure('retry', 'entra-unavailable');
      return { ok: true, accessToken: 'token', deviceService: `https://intune.invalid/${tenantId}` };
    },
    graph: async () => failure('retry', 'not-simulated'),
    invalidate: () => undefined,
  };
}

function createSend(world: ProcessWorld, name: string, wall: Wall): Send {
  const { database, intune, laws, trace } = world;
  return async (request) => {
    const tenantId = tenantOf(request.url);
    const messageId = idOf(request.url);
    let end: () => void = () => undefined;
    if (request.method === 'PUT') {
      const body = String(request.body);
      const devices = devicesOf(body).map(({ deviceId }) => deviceId);
      const { closedSinceMs, heldSinceMs } = database.tenants.get(tenantId)!;
      trace.line(`${name} sends ${messageId} of ${devices.length} for ${tenantId}`);
      end = laws.sending({ process: name, tenantId, messageId, body, devices, closedSinceMs, heldSinceMs });
    }
    const result = await wall.through(intune.exchange(request));
    end();
    trace.line(`${name} hears ${request.method} ${messageId}: ${result.ok ? result.status : result.failure}`);
    const wait = result.ok ? Number(result.headers.get('retry-after')) : 0;
    if (wait > 0) laws.askedForSilence(name, tenantId, wait);
    return result;
  };
}

const clouds = new Map([['public', {} as Cloud]]);

export function startProcess(world: ProcessWorld, name: string): GatewayProcess {
  const { laws, plan, random, scheduler, trace } = world;
  const wall = createWall(scheduler);
  const query = createQuery(world, wall);
  // Machines do not agree about the time.
  const skewMs = random.integer(-2_000, 2_000);
  const now = () => scheduler.now() + skewMs;
  const after = (ms: number, work: () => void) => scheduler.after(ms, () => wall.deliver(work));
  const log: Log = {
    debug: () => undefined,
    info: () => undefined,
    warn: (event, fields) =>
      trace.line(`${name} warns ${event} ${String(fields?.error ?? fields?.outcome ?? '')}`),
    error: (event, fields) => {
      trace.line(`${name} errs ${event} ${String(fields?.error)}`);
      if (!(fields?.error as { code?: string })?.code)
        laws.broken(`${event}: ${(fields?.error as Error)?.stack}`);
    },
  };
  let note: (due: DueSchedule) => void = () => undefined;
  const stage = reportStage({
    inTurn: atOnce,
    store: watchedStore(world, name, query, (due) => wall.deliver(() => note(due))),
    log,
    metrics: { upload: () => undefined },
    send: createSend(world, name, wall),
    tenants: createTenants(world, query),
    clouds,
    microsoft: createMicrosoft(world, wall),
    circuits: createCircuits({ backoff: plan.backoff, now: () => scheduler.now(), random: random.next }),
    apiVersions: defaultApiVersions,
    timeoutMs: plan.timeoutMs,
    maxDevices: plan.maxDevices,
    uploadStatusSeconds: plan.uploadStatusSeconds,
    verifySample: 0,
    holdRecheckSeconds: plan.holdRecheckSeconds,
    permissionRefused: async () => undefined,
    wait: (attempts) => backoffSeconds(attempts, plan.backoff, random.next),
    now,
    elapsedMs: () => scheduler.now(),
    newId: random.guid,
  });
  const inWork = new Set<readonly DueReport[]>();
  const watched: Stage<DueReport> = {
    ...stage,
    work: async (rows, holder) => {
      inWork.add(rows);
      laws.inWork(name, [...inWork].flat());
      try {
        await stage.work(rows, holder);
      } finally {
        inWork.delete(rows);
      }
    },
  };
  const { scheduleRows, rows } = plan;
  const runner = runStage(watched, { log, clock: { now, after }, newId: random.guid, rows, scheduleRows });
  note = ({ dueInMs, schedule }) => runner.announce(schedule, dueInMs);
  trace.line(`${name} starts`);
  return {
    name,
    runner,
    isAlive: wall.isAlive,
    crash: () => {
      trace.line(`${name} crashes`);
      wall.crash();
    },
    freeze: (ms) => {
      trace.line(`${name} freezes for ${ms}`);
      wall.freeze(ms);
    },
  };
}
