import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createLearning } from '../../src/delivery/computers/learn-named.ts';
import { createPolls } from '../../src/delivery/computers/poll.ts';
import { createReconciliations } from '../../src/delivery/computers/reconcile.ts';
import type { JamfClient } from '../../src/jamf/client.ts';
import { createAddressPolicy, isReachedByWorkers, parseAllowEntry } from '../../src/outbound/addresses.ts';
import { migrateDatabase } from '../../src/runtime/node-migrate.ts';
import { createReaders } from '../../src/store/computers/readers.ts';
import {
  createInstanceDirectory,
  type InstanceRef,
  instanceKey,
} from '../../src/store/instances/instance.ts';
import { createReach } from '../../src/store/instances/reach.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';
import { eventually } from '../harness/eventually.ts';

const log = createLog({ level: 'error', format: 'json', write: () => undefined });
const policy = createAddressPolicy([parseAllowEntry('10.7.0.0/16')!]);

/** Instances that a process does not reach wait for another one, and hold up nobody. */
describe('an instance that is left to others', () => {
  let database: TestDatabase;
  let tenantId: string;
  let asked: string[];

  /** Due for so many seconds, in every way. */
  const add = async (
    dueForSeconds: number,
    of: { url?: string; apiSecretRef?: string; caCertificate?: string } = {},
  ): Promise<InstanceRef> => {
    const { sql } = database;
    const instanceId = crypto.randomUUID();
    await sql`
      insert into instances (tenant_id, instance_id, name, url, api_client_id, api_secret_ref, ca_certificate, compliance)
      values (${tenantId}, ${instanceId}, ${instanceId}, ${of.url ?? 'https://jamf.example.com'}, 'x',
        ${of.apiSecretRef ?? null}, ${of.caCertificate ?? null}, '{}')`;
    const due = sql`now() - ${dueForSeconds} * interval '1 second'`;
    await sql`
      insert into instance_reading (tenant_id, instance_id, poll_cursor, next_poll_at, next_reconcile_at, next_learn_at)
      values (${tenantId}, ${instanceId}, now(), ${due}, ${due}, ${due})`;
    return { tenantId, instanceId };
  };
  /** More of them than a feed takes at once, all due for longer than any other. */
  const addUnreached = async (): Promise<InstanceRef[]> => {
    const kinds = [
      { caCertificate: '-----BEGIN CERTIFICATE-----' },
      { apiSecretRef: 'file:/run/secrets/jamf' },
      ...[
        'jamf',
        'jamf.',
        'jamf.local:8443/x',
        'jamf.corp.internal',
        'jamf.home.arpa.',
        'jamf.localhost',
      ].map((host) => ({ url: `https://${host}` })),
      ...['10.6.0.1', '192.168.1.1:8443', '[fd00::1]', '[::ffff:7f00:1]'].map((host) => ({
        url: `https://${host}`,
      })),
    ];
    return Promise.all(kinds.map((kind) => add(9_000, kind)));
  };
  const reachOf = async () => {
    const reach = createReach(database.sql, undefined, (host) => isReachedByWorkers(policy, host));
    await reach.look();
    return reach;
  };
  const options = async () => {
    const holder = crypto.randomUUID();
    const reach = await reachOf();
    const page = { ok: true, page: { items: [], rejected: [], ids: [], last: true } };
    const clientOf = ({ instanceId }: InstanceRef) => {
      const answer = async () => {
        asked.push(instanceId);
        return page;
      };
      return { computersChangedSince: answer, computersAfter: answer } as unknown as JamfClient;
    };
    return {
      ...{ sql: database.sql, log, holder, reach, clientOf, failures: new Map<string, number>() },
      instances: createInstanceDirectory(database.sql),
      readers: createReaders(database.sql, holder, () => performance.now(), reach),
      backoff: { baseSeconds: 1, maxSeconds: 1 },
    };
  };

  beforeAll(async () => {
    database = await createTestDatabase();
    await migrateDatabase(database.url);
  });
  afterAll(() => database?.drop());
  beforeEach(async () => {
    const { sql } = database;
    await sql`delete from instances`;
    await sql`delete from tenants`;
    asked = [];
    tenantId = crypto.randomUUID();
    await sql`insert into tenants (tenant_id, cloud, display_name, mode, connection_type, landing)
      values (${tenantId}, 'public', 'Contoso', 'device-compliance', 'cloud-connector', '{}')`;
  });

  it.each(['poll', 'reconcile', 'learn'] as const)(
    'does not keep others from their turn: %s',
    async (kind) => {
      await addUnreached();
      const reached = [
        await add(1),
        await add(2, { url: 'https://8.8.8.8' }),
        await add(3, { url: 'https://10.7.1.1', apiSecretRef: 'env:ESPALIER_INSTANCE_X' }),
      ].map(({ instanceId }) => instanceId);
      const { sql } = database;
      await sql`insert into named_computers (tenant_id, instance_id, jamf_computer_id)
      select tenant_id, instance_id, 1 from instances`;
      const of = await options();
      const runner = {
        poll: () => createPolls({ ...of, pollSeconds: 900 }),
        reconcile: () => createReconciliations({ ...of, reconcileSeconds: 900 }),
        learn: () => createLearning(of),
      }[kind]();
      await runner.runDue();
      await eventually(async () => expect(runner.idleMs()).toBeGreaterThan(0));
      await runner.stop();
      expect(asked.toSorted()).toEqual(reached.toSorted());
    },
  );

  it('is not read from, and given back once it has become one', async () => {
    const unreached = await addUnreached();
    const [stays, changes] = [await add(1), await add(1)];
    const { sql } = database;
    await sql`delete from instance_reading where instance_id = ${unreached[0]!.instanceId}`;
    const readers = createReaders(sql, crypto.randomUUID(), () => performance.now(), await reachOf());
    expect(await readers.hold([...unreached, stays, changes])).toEqual(
      new Set([stays, changes].map(instanceKey)),
    );
    await sql`update instances set ca_certificate = 'x' where instance_id = ${changes.instanceId}`;
    await readers.renew();
    expect(await readers.hold([stays, changes])).toEqual(new Set([instanceKey(stays)]));
  });
});
