import { listedComputers } from '../../../src/delivery/computers/listed.ts';
import { recordText } from '../../../src/delivery/computers/pushed-record.ts';
import { type ComputerStageOptions, computerStage } from '../../../src/delivery/computers/read-computer.ts';
import { createIntake } from '../../../src/delivery/intake.ts';
import { createCircuits } from '../../../src/delivery/stage/circuit.ts';
import type { Stage } from '../../../src/delivery/stage/run-stage.ts';
import type { JamfClient } from '../../../src/jamf/client.ts';
import { parseComputer } from '../../../src/jamf/inventory.ts';
import type { InventoryPage } from '../../../src/jamf/inventory-page.ts';
import { createRandom } from '../../../src/simulator/random.ts';
import type { DueComputer } from '../../../src/store/computers/leases.ts';
import { markChanged, markReconciled } from '../../../src/store/computers/listed.ts';
import { createInstanceDirectory } from '../../../src/store/instances/instance.ts';
import { createTenantDirectory } from '../../../src/store/tenants/tenant.ts';
import type { Log } from '../../../src/telemetry/log.ts';
import type { TestDatabase } from '../../harness/database.ts';
import { createMacs, type Mac, newestOf, recordOf, type State } from './macs.ts';

/**
 * One run of stage one on a real database, one step after the other in an order that the seed decides: Macs report,
 * webhooks come, pushes come late and in any order, polls and reconciliations list, reads begin and end much later.
 * The product's own statements and its own reading are at work, only the instance is the simulation's.
 */
export interface Outcome {
  /** Undefined: every law held. */
  readonly breach: string | undefined;
  readonly trace: readonly string[];
}

interface Reading {
  readonly mac: Mac;
  /** What the instance had when it was asked. */
  readonly seen: State;
  answer(state: State | undefined): void;
}

const silent: Log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
const macsOfRun = 4;
const steps = 90;
/** More than this many turns to the end is no end. */
const turnsToEnd = 60;

async function addInstance({ sql }: TestDatabase) {
  // The same seed may run twice on one database.
  const [tenantId, instanceId] = [crypto.randomUUID(), crypto.randomUUID()];
  const compliance = JSON.stringify({ source: 'smart-group', complianceGroup: 'compliant' });
  await sql`insert into tenants (tenant_id, cloud, display_name, mode, connection_type, landing, connection_state)
    values (${tenantId}, 'public', 'x', 'device-compliance', 'cloud-connector', '{}', 'connected')`;
  await sql`insert into instances (tenant_id, instance_id, name, url, api_client_id, compliance)
    values (${tenantId}, ${instanceId}, 'x', 'https://jamf.example', 'x', ${compliance}::text::jsonb)`;
  return { tenantId, instanceId };
}

export async function runSeed(database: TestDatabase, seed: number): Promise<Outcome> {
  const { sql } = database;
  const random = createRandom(seed);
  const { macs, report } = createMacs(random, macsOfRun);
  const instance = await addInstance(database);
  const { instanceId, tenantId } = instance;
  const trace: string[] = [];
  const readings: Reading[] = [];
  const working = new Set<Promise<void>>();
  const late: { readonly mac: Mac; readonly state: State }[] = [];
  let down = false;
  let breach: string | undefined;

  const client = {
    computer: (id: string) =>
      new Promise((resolve) => {
        const mac = macs[Number(id) - 1]!;
        const answer = (state: State | undefined) =>
          resolve(
            state === undefined
              ? { ok: false, failure: 'unreachable', detail: 'down' }
              : { ...parsed(mac, state), record: recordOf(mac, state), inventoryVersion: 'v4' },
          );
        readings.push({ mac, seen: newestOf(mac), answer });
      }),
  } as unknown as JamfClient;
  const stage: Stage<DueComputer> = computerStage({
    sql,
    timeline: { add: () => {}, trim: () => {}, idle: async () => {} },
    log: silent,
    metrics: { inputIgnored: () => {} },
    tenants: createTenantDirectory(sql),
    instances: createInstanceDirectory(sql),
    clientOf: () => client,
    circuits: createCircuits({ backoff: { baseSeconds: 1, maxSeconds: 1 }, now: () => 0, unbounded: 1_000 }),
    mayRead: async (some) => new Set(some.map((one) => `${one.tenantId}/${one.instanceId}`)),
    backoff: { baseSeconds: 1, maxSeconds: 1 },
    holdRecheckSeconds: 1,
    onDue: () => {},
    onReports: () => {},
    onRoutes: () => {},
  } satisfies ComputerStageOptions);
  const intake = createIntake({ sharing: 'process', sql, onDue: () => {} });
  const origin = { tenantId, instanceId, traceparent: null };

  /** Nothing is told backwards: looked at after whatever may have changed what is told. */
  const look = async (): Promise<void> => {
    const rows = await sql<{ deviceId: string; content: string }[]>`
      select device_id as "deviceId", content from reports where tenant_id = ${tenantId}`;
    for (const { content, deviceId } of rows) {
      const mac = macs.find((one) => one.deviceId === deviceId)!;
      const version = Number((JSON.parse(content) as { osVersion: string }).osVersion.split('.')[1]);
      if (version === mac.told) continue;
      trace.push(`told ${version} of mac ${mac.id}`);
      if (version < mac.told) breach ??= `mac ${mac.id}: ${version} was told after ${mac.told}`;
      mac.told = version;
    }
  };
  const push = async (some: readonly { readonly mac: Mac; readonly state: State }[]): Promise<void> => {
    for (const { mac, state } of some) {
      trace.push(`push of mac ${mac.id}: ${state.version}`);
      mac.announced = Math.max(mac.announced, state.version);
    }
    const records = some.map(({ mac, state }) => ({
      jamfComputerId: mac.id,
      text: recordText(recordOf(mac, state)),
      reportAt: state.reportedAt,
    }));
    await intake.storeRecords(origin, records);
  };
  const webhook = async (mac: Mac): Promise<void> => {
    trace.push(`webhook of mac ${mac.id} at ${newestOf(mac).version}`);
    mac.announced = newestOf(mac).version;
    await intake.markDue(origin, [mac.id]);
  };
  const list = async (): Promise<void> => {
    const known = macs.filter((mac) => mac.states.length > 0);
    const page: InventoryPage = {
      items: known.map((mac) => parsed(mac, newestOf(mac))),
      rejected: [],
      ids: known.map((mac) => mac.id),
      last: true,
    } as unknown as InventoryPage;
    const whole = random.next() < 0.3;
    trace.push(whole ? 'reconciliation' : 'poll');
    for (const mac of known) if (newestOf(mac).reportedAt !== null) mac.announced = newestOf(mac).version;
    await sql.begin(async (tx) => {
      const listed = listedComputers(page);
      if (!whole) return markChanged(tx, instance, listed);
      const stretch = { afterId: 0, upToId: 2_147_483_647 };
      return markReconciled(tx, instance, listed, stretch, { since: new Date(), behind: 0 });
    });
  };
  /** Time passes: what waits for a later time is due, and some of it is leased. */
  const take = async (limit: number): Promise<number> => {
    // Each a time of its own: among equal ones the database would choose which are leased, and not the seed.
    await sql`update computers set next_try_at = now() - interval '1 second' - jamf_computer_id * interval '1 ms'
      where tenant_id = ${tenantId} and next_try_at is not null and lease_until is null`;
    const schedules = (['pushed', 'read'] as const).flatMap((kind) =>
      [false, true].map((background) => ({ schedule: { tenantId, instanceId, kind, background }, limit })),
    );
    const holder = random.guid();
    const rows = await stage.lease(holder, schedules);
    for (const row of [...rows].sort((a, b) => a.jamfComputerId - b.jamfComputerId)) {
      trace.push(`takes mac ${row.jamfComputerId} ${row.needsInstance ? 'to read it' : 'as it was pushed'}`);
      const work = stage.work([row], holder).finally(() => working.delete(work));
      working.add(work);
    }
    return rows.length;
  };
  /** Until every work has ended or waits for the instance. */
  const settle = async (): Promise<void> => {
    for (let last = -1; working.size > readings.length || last !== readings.length; ) {
      last = readings.length;
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    readings.sort((a, b) => a.mac.id - b.mac.id);
    await look();
  };
  const answer = async (): Promise<void> => {
    const reading = readings.splice(random.integer(0, readings.length - 1), 1)[0];
    if (!reading) return;
    const state = random.next() < 0.5 ? reading.seen : newestOf(reading.mac);
    trace.push(`instance answers for mac ${reading.mac.id}: ${down ? 'not at all' : state.version}`);
    reading.answer(down ? undefined : state);
    await settle();
  };
  const happen = async (): Promise<void> => {
    const dice = random.next();
    const mac = random.pick(macs);
    if (dice < 0.25) {
      const state = report(mac);
      trace.push(`mac ${mac.id} reports ${state.version}, its date ${mac.clock}`);
      if (random.next() < 0.7) late.push({ mac, state });
      if (random.next() < 0.5) await webhook(mac);
    } else if (dice < 0.35 && mac.states.length > 0) await webhook(mac);
    else if (dice < 0.6 && late.length > 0) {
      const some = Array.from({ length: random.integer(1, 2) }, () =>
        late.splice(random.integer(0, late.length - 1), 1),
      );
      await push(some.flat());
    } else if (dice < 0.66) await list();
    else if (dice < 0.8) await take(random.integer(1, 2)).then(settle);
    else if (dice < 0.95) await answer();
    else down = !down;
  };

  for (let step = 0; step < steps && breach === undefined; step += 1) await happen();
  trace.push('nothing more happens, and the instance answers');
  down = false;
  for (let turn = 0; breach === undefined; turn += 1) {
    while (readings.length > 0) await answer();
    await settle();
    if ((await take(100)) === 0 && working.size === 0) break;
    await settle();
    if (turn > turnsToEnd) breach = 'it does not come to an end';
  }
  const behind = macs.filter(({ announced, told }) => told < announced);
  if (behind.length > 0) {
    breach ??= behind
      .map(({ announced, id, told }) => `mac ${id}: ${told} is told, not ${announced}`)
      .join(', ');
  }
  return { breach, trace };
}

function parsed(mac: Mac, state: State) {
  const result = parseComputer(recordOf(mac, state));
  if (!result.ok) throw new Error('the record is no record');
  return result;
}
