import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readBacklogCauses } from '../../src/delivery/computers/backlog.ts';
import { migrateDatabase } from '../../src/runtime/node-migrate.ts';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';

/** The cause that status names for each reason for which a computer can wait. */
describe('the cause of a backlog', () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createTestDatabase();
    await migrateDatabase(database.url);
  });
  afterAll(() => database?.drop());

  interface InstanceRow {
    readonly enabled?: boolean;
    readonly paused?: boolean;
    readonly error?: string;
  }

  /** A tenant with one instance and one waiting computer for each of the errors. */
  async function waiting(instance: InstanceRow, errors: readonly (string | null)[]): Promise<string> {
    const { sql } = database;
    const [tenantId, instanceId] = [crypto.randomUUID(), crypto.randomUUID()];
    await sql`
      insert into tenants (tenant_id, cloud, display_name, mode, connection_type, landing)
      values (${tenantId}, 'public', 'One', 'device-compliance', 'cloud-connector', '{"choice":"default"}')`;
    await sql`
      insert into instances (tenant_id, instance_id, name, url, api_client_id, api_secret_ref, compliance, enabled, paused, last_error)
      values (${tenantId}, ${instanceId}, 'berlin', 'https://jamf.example', 'id', 'env:X', '{"source":"jamf"}',
        ${instance.enabled ?? true}, ${instance.paused ?? false}, ${instance.error ?? null})`;
    for (const [at, error] of errors.entries())
      await sql`
        insert into computers (tenant_id, instance_id, jamf_computer_id, last_error)
        values (${tenantId}, ${instanceId}, ${at + 1}, ${error})`;
    return tenantId;
  }

  it.each([
    ['nothing wrong', {}, null, 'in-turn', 'espalier', /requests to an instance at a time/],
    ['an unreachable one', {}, 'unreachable: ECONNREFUSED', 'unreachable', 'instance', /ECONNREFUSED/],
    ['a silent one', {}, 'timeout: no answer in time', 'timeout', 'instance', /no answer/],
    ['one that sheds load', {}, 'overloaded: HTTP 503', 'overloaded', 'instance', /503/],
    ['a wrong secret', {}, 'unauthenticated: HTTP 401', 'unauthenticated', 'instance', /401/],
    ['a refused address', {}, 'refused-address: 10.0.0.1', 'refused-address', 'configuration', /10\.0/],
    ['a missing secret', {}, 'no-secret: env:X', 'no-secret', 'configuration', /env:X/],
    [
      'a record that cannot be read',
      {},
      'invalid-answer: computer 1: no id',
      'invalid-answer',
      'instance',
      /no id/,
    ],
    ['computers that are not there', {}, 'not-found: so', 'not-found', 'instance', /does not know/],
    [
      'a fault of our own',
      {},
      'TypeError: undefined is no function',
      'espalier-error',
      'espalier',
      /TypeError/,
    ],
    [
      'one that fails others',
      { error: 'timeout: slow' },
      null,
      'instance-fails',
      'instance',
      /timeout: slow/,
    ],
    ['a paused one', { paused: true }, 'timeout: slow', 'instance-paused', 'configuration', /resumed/],
    ['a disabled one', { enabled: false }, 'timeout: slow', 'instance-disabled', 'configuration', /disabled/],
  ] as const)('is told of an instance with %s', async (_, instance, error, cause, owner, detail) => {
    const tenantId = await waiting(instance, [error]);
    expect(await readBacklogCauses(database.sql, tenantId)).toMatchObject([
      { instance: 'berlin', cause, owner, computers: 1, detail: expect.stringMatching(detail) },
    ]);
  });

  it('puts what waits for the same reason together, the largest group first, and leaves out other tenants', async () => {
    await waiting({}, ['timeout: slow']);
    const tenantId = await waiting({}, [
      null,
      'timeout: slow',
      'not-found: a',
      'not-found: b',
      'not-found: c',
      null,
    ]);
    const causes = await readBacklogCauses(database.sql, tenantId);
    expect(causes.map(({ cause, computers }) => [cause, computers])).toEqual([
      ['not-found', 3],
      ['in-turn', 2],
      ['timeout', 1],
    ]);
    await database.sql`update computers set done_revision = wanted_revision where tenant_id = ${tenantId}`;
    expect(await readBacklogCauses(database.sql, tenantId)).toEqual([]);
  });
});
