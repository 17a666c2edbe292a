import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect } from 'vitest';
import { parseWebhook } from '../../src/jamf/webhook.ts';
import { type AddedInstance, connectTenant, type Scene, startScene } from '../harness/gateway.ts';
import { anyText } from '../harness/schema-arbitrary.ts';
import { damaged, fuzz, watchUnhandled } from './fuzzing.ts';

/** Webhooks, pushes and filters of customers to the real gateway: never a 5xx, and nothing is 202 that is not in the database. */

watchUnhandled();

const signs = ['{', '}', '[', ']', '"', '\\', ',', ':', '\n', '\0', '\ufeff', '<', '&', '1e999', '-'];
const someId = fc.integer({ min: 1, max: 1_000_000_000 });

describe('a gateway', () => {
  let scene: Scene;
  let tenantId: string;
  let instance: AddedInstance;
  beforeAll(async () => {
    scene = await startScene({
      environment: { ESPALIER_RATE_PER_INSTANCE: '100000' },
      world: { clouds: ['public'], tenants: [{ instances: [{ name: 'berlin', macs: 1 }] }] },
    });
    [tenantId] = scene.world.tenants.map((tenant) => tenant.tenantId) as [string];
    const added = await connectTenant(scene, tenantId);
    instance = added.get('berlin') as AddedInstance;
  });
  afterAll(async () => {
    expect(scene?.gateway.process.exitCode).toBe(null);
    expect(scene?.gateway.output()).not.toContain('internal-error');
    await scene?.close();
  });

  const send = async (path: string, type: string, body: string) => {
    const answer = await scene.data(`/jamf/${instance.id}/${path}`, {
      method: 'POST',
      headers: { 'content-type': type, 'x-api-key': instance.key },
      body,
    });
    expect([202, 400, 413, 415]).toContain(answer.status);
    return answer;
  };
  const expectStored = async (ids: readonly string[]): Promise<void> => {
    const rows = await scene.database.sql<{ id: string }[]>`
      select jamf_computer_id::text as id from computers
      where tenant_id = ${tenantId} and instance_id = ${instance.id} and jamf_computer_id::text in ${scene.database.sql(ids)}`;
    expect(rows.map(({ id }) => id).sort()).toEqual([...new Set(ids)].sort());
  };

  const webhook = fc
    .tuple(
      fc.constantFrom('ComputerInventoryCompleted', 'ComputerAdded', 'ComputerPushCapabilityChanged'),
      fc.oneof(someId, anyText),
      anyText,
    )
    .chain(([webhookEvent, jssID, deviceName]) =>
      fc.constantFrom(
        JSON.stringify({ webhook: { id: 1, webhookEvent }, event: { jssID, deviceName } }),
        `<JSSEvent><webhook><webhookEvent>${webhookEvent}</webhookEvent></webhook><event><jssID>${jssID}</jssID></event></JSSEvent>`,
      ),
    );
  fuzz('a webhook that is accepted is stored', 'socket', () =>
    fc.asyncProperty(
      damaged(webhook, signs),
      fc.constantFrom('application/json', 'text/xml', 'text/plain'),
      async (body, type) => {
        const answer = await send('webhooks', type, body);
        if (answer.status !== 202) return;
        const read = parseWebhook(body, type);
        const ids = read.ok ? read.webhook.computers.map(({ jamfComputerId }) => jamfComputerId) : [];
        if (answer.json.status === 'accepted' && ids.length > 0) await expectStored(ids);
      },
    ),
  );

  const record = fc
    .tuple(someId, anyText)
    .map(([id, name]) => ({ id: String(id), general: { name, reportDate: '2026-01-01T00:00:00Z' } }));
  const push = fc
    .array(fc.oneof(record, fc.jsonValue()), { minLength: 1, maxLength: 5 })
    .chain((records) =>
      fc.constantFrom(
        [JSON.stringify(records), 'application/json'] as const,
        [records.map((one) => JSON.stringify(one)).join('\n'), 'application/x-ndjson'] as const,
      ),
    );
  fuzz('a push counts what it stored', 'socket', () =>
    fc.asyncProperty(push, damaged(fc.constant('#'), signs), async ([whole, type], sign) => {
      // The damage is behind the records, and those before it count.
      const body = sign === '#' ? whole : `${whole}\n${sign}`;
      const answer = await send('inventory', type, body);
      if (answer.status !== 202) return;
      const good = (
        type === 'application/json' ? JSON.parse(whole) : whole.split('\n').map((line) => JSON.parse(line))
      ).filter(
        (one: { general?: { reportDate?: string } } | null) =>
          one?.general?.reportDate === '2026-01-01T00:00:00Z',
      ) as { id: string }[];
      expect(answer.json.accepted).toBeGreaterThanOrEqual(good.length);
      if (good.length > 0) await expectStored(good.map(({ id }) => id));
    }),
  );

  fuzz('a filter is answered, or is the fault of who asked', 'parser', () =>
    fc.asyncProperty(
      damaged(
        fc.constantFrom(
          'state==due',
          'reason=="a*";updatedAt>2026-01-01',
          'state=in=(due,failed),deviceId==x',
        ),
        ['(', ')', ';', ',', '=', '"', "'", '*', '%'],
      ),
      async (filter) => {
        const answer = await scene.api('GET', `/reports?filter=${encodeURIComponent(filter.toWellFormed())}`);
        expect([200, 400]).toContain(answer.status);
      },
    ),
  );
});
