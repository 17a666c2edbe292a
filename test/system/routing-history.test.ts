import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { newId } from '../../src/ids.ts';
import { recordClaims, rerouteInstance } from '../../src/routing/claims.ts';
import { type Explanation, explainRoute } from '../../src/routing/explain-route.ts';
import { bucketOf } from '../../src/routing/moves/bucket.ts';
import { advanceMove, planMove, rollBackMove } from '../../src/routing/moves/operate.ts';
import { workFor } from '../../src/routing/moves/work.ts';
import { placeDevice, removeDevice } from '../../src/routing/place-device.ts';
import { rollBackRoutes } from '../../src/routing/rollback.ts';
import { migrateDatabase } from '../../src/runtime/node-migrate.ts';
import { isEnabled, type MoveKey } from '../../src/store/moves/move.ts';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';
import {
  anyHistory,
  createRoutingModel,
  deviceCount,
  instanceCount,
  type MoveStep,
  rollbackVersion,
  type Step,
} from './routing-history.model.ts';

/**
 * Random histories against PostgreSQL: after every step each device has at most one route, the one that a small model
 * of the rules gives it, and `explain` says so; at the end every answer that was given is given again for its time.
 * ESPALIER_TEST_HISTORIES runs more of them, ESPALIER_TEST_SEED the same ones again.
 */

const runs = Number(process.env.ESPALIER_TEST_HISTORIES ?? 10);
const seed = Number(process.env.ESPALIER_TEST_SEED ?? Date.now() % 2_147_483_647);

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
  await migrateDatabase(database.url);
});
afterAll(() => database?.drop());

const dayMs = 86_400_000;
const by = { author: 'test', reason: 'a step' };
const retract = async () => 0;

interface Subject {
  readonly tenantId: string;
  /** In the order of their ids, as ties go to the lowest. */
  readonly instances: readonly string[];
  readonly devices: readonly string[];
  /** Oldest first. */
  readonly moves: MoveKey[];
  /** Ticks as times: enrolments and check-ins ahead of every clock, so that an operator's "now" is a matter of ticks. */
  readonly time: (tick: number | null) => Date | null;
  readonly reportTime: (tick: number) => Date;
}

async function createSubject(): Promise<Subject> {
  const { sql } = database;
  const tenantId = newId();
  const start = Date.now();
  await sql`insert into tenants (tenant_id, cloud, display_name, mode, connection_type, landing)
    values (${tenantId}, 'public', 't', 'device-compliance', 'cloud-connector', '{}')`;
  const instances = Array.from({ length: instanceCount }, () => newId()).sort();
  for (const [index, id] of instances.entries()) {
    await sql`insert into instances (tenant_id, instance_id, name, url, api_client_id, compliance)
      values (${tenantId}, ${id}, ${`i${index}`}, 'https://jamf.example', 'c', '{"source":"jamf"}')`;
  }
  return {
    tenantId,
    instances,
    devices: Array.from({ length: deviceCount }, () => newId()),
    moves: [],
    time: (tick) => (tick === null ? null : new Date(start + tick * dayMs)),
    reportTime: (tick) => new Date(start - 100 * dayMs + tick * 1_000),
  };
}

type StepOf<Kind extends Step['kind']> = Extract<Step, { kind: Kind }>;

async function claim(subject: Subject, step: StepOf<'claim'> | StepOf<'gone'>): Promise<void> {
  const { id, instance } = step.computer;
  const found = step.kind === 'claim' ? step : undefined;
  await database.sql.begin((tx) =>
    recordClaims(
      tx,
      subject.tenantId,
      [
        {
          instanceId: subject.instances[instance]!,
          jamfComputerId: id,
          registrations: (found?.devices ?? []).map((one) => ({
            deviceId: subject.devices[one]!,
            userId: null,
          })),
          serialNumber: null,
          udid: null,
          lastEnrolledAt: subject.time(found?.enrolled ?? null),
          lastCheckInAt: subject.time(found?.checkIn ?? null),
          reportAt: found ? subject.reportTime(found.reported) : null,
        },
      ],
      () => by,
    ),
  );
}

/** As the admin API does it; what it refuses is refused. */
async function move({ instances, moves, tenantId }: Subject, step: MoveStep): Promise<void> {
  const { sql } = database;
  const work = { sql, onRouted: () => undefined };
  const scopeOf = (ends: { fromInstanceId: string; toInstanceId: string }) => ({
    tenantId,
    fromInstanceId: ends.fromInstanceId,
    toInstanceId: ends.toInstanceId,
    unclaimed: false,
    matching: () => sql`true`,
  });
  if (step.kind === 'plan-move') {
    const [fromInstanceId, toInstanceId] = [instances[step.from]!, instances[step.to]!];
    if (step.from === step.to || !(await isEnabled(sql, tenantId, toInstanceId))) return;
    const rest = { filter: null, stepPercent: 10, shadow: false, threshold: 0, ...by };
    const key = await planMove(sql, { ...rest, scope: scopeOf({ fromInstanceId, toInstanceId }) });
    if (key) moves.push(key);
    return;
  }
  const key = moves.at(-1 - step.move);
  if (!key) return;
  const expects = () => true;
  await (step.kind === 'undo-move'
    ? rollBackMove(sql, key, by, { expects })
    : advanceMove(sql, key, { ...by, percent: step.percent, force: false }, { expects, scopeOf }));
  await workFor(work, key, 10_000);
}

async function doReally(subject: Subject, step: Step, newest: number): Promise<void> {
  const { sql } = database;
  const { tenantId } = subject;
  switch (step.kind) {
    case 'claim':
    case 'gone':
      return claim(subject, step);
    case 'enable': {
      const instanceId = subject.instances[step.instance]!;
      await sql`update instances set enabled = ${step.enabled}
        where tenant_id = ${tenantId} and instance_id = ${instanceId}`;
      return rerouteInstance(sql, tenantId, instanceId, by);
    }
    case 'place': {
      const instanceId = subject.instances[step.computer.instance]!;
      const wanted = { instanceId, jamfComputerId: step.computer.id, pinned: step.pinned };
      await placeDevice(sql, tenantId, subject.devices[step.device]!, wanted, by, () => undefined);
      return;
    }
    case 'delete':
      await removeDevice(sql, tenantId, subject.devices[step.device]!, by, {
        expect: () => undefined,
        retract,
      });
      return;
    case 'plan-move':
    case 'advance-move':
    case 'undo-move':
      return move(subject, step);
    case 'roll-back':
      await rollBackRoutes(sql, {
        tenantId,
        toVersion: rollbackVersion(step.back, newest),
        by,
        dryRun: false,
        retract,
      });
  }
}

async function versionOf({ tenantId }: Subject): Promise<number> {
  const [row] = await database.sql<{ version: number }[]>`
    select version from route_versions where tenant_id = ${tenantId}`;
  return row?.version ?? 0;
}

/** What of an answer has to be the same for ever. */
const lasting = (answer: Explanation | undefined) =>
  answer && {
    instanceId: answer.instanceId,
    jamfComputerId: answer.jamfComputerId,
    rule: answer.rule,
    since: answer.since,
    version: answer.version,
    conflict: answer.conflict,
    claims: answer.claims
      .map((one) => [one.instanceId, one.jamfComputerId, one.lastEnrolledDate, one.state].join(' '))
      .sort(),
  };

async function live(steps: readonly Step[]): Promise<void> {
  const { sql } = database;
  const subject = await createSubject();
  const { devices, instances, tenantId, time } = subject;
  const model = createRoutingModel(await Promise.all(devices.map(bucketOf)));
  const given: { at: Date; deviceId: string; answer: unknown }[] = [];
  for (const step of steps) {
    const newest = await versionOf(subject);
    model.happen(step, newest);
    await doReally(subject, step, newest);
    model.note(await versionOf(subject));
    const rows = await sql<
      { deviceId: string; instanceId: string; jamfComputerId: number; pinned: boolean }[]
    >`
      select device_id as "deviceId", instance_id as "instanceId", jamf_computer_id as "jamfComputerId", pinned
      from routes where tenant_id = ${tenantId}`;
    const expected = devices.flatMap((deviceId, one) => {
      const route = model.route(one);
      if (!route) return [];
      const { id, instance, pinned } = route;
      return [{ deviceId, instanceId: instances[instance]!, jamfComputerId: id, pinned }];
    });
    expect(new Set(rows.map((row) => JSON.stringify({ ...row })))).toEqual(
      new Set(expected.map((row) => JSON.stringify(row))),
    );
    expect(rows).toHaveLength(expected.length);
    const [{ at }] = (await sql<{ at: Date }[]>`select clock_timestamp() as at`) as unknown as [{ at: Date }];
    for (const [one, deviceId] of devices.entries()) {
      const answer = await explainRoute(sql, tenantId, deviceId);
      const route = model.route(one);
      expect([answer?.instanceId ?? null, answer?.jamfComputerId ?? null]).toEqual([
        route ? instances[route.instance] : null,
        route ? String(route.id) : null,
      ]);
      if (route?.pinned) expect(answer?.rule).toBe('pinned');
      expect(lasting(answer)?.claims ?? []).toEqual(
        model
          .claims(one)
          .map(({ active, enrolled, id, instance }) =>
            [instances[instance], id, time(enrolled)?.toISOString(), active ? 'active' : 'resting'].join(' '),
          )
          .sort(),
      );
      given.push({ at, deviceId, answer: lasting(answer) });
    }
    // An answer about the past names a millisecond: the next step is in a later one.
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  for (const { answer, at, deviceId } of given) {
    expect(lasting(await explainRoute(sql, tenantId, deviceId, at))).toEqual(answer);
  }
}

it(`random histories: one route a device, the rules' winner, and every past answer again (seed ${seed})`, {
  timeout: 60_000 + runs * 20_000,
}, async () => {
  await fc.assert(fc.asyncProperty(anyHistory, live), {
    seed,
    numRuns: runs,
    endOnFailure: process.env.ESPALIER_TEST_SHRINK === undefined,
  });
});
