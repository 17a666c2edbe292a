import { request } from 'node:https';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { eventually } from '../harness/eventually.ts';
import {
  addInstance,
  bootstrapKey,
  connectTenant,
  consent,
  type Scene,
  startScene,
} from '../harness/gateway.ts';
import { call } from '../harness/http.ts';

/** A confirmation as it goes on: told in lines, kept for whoever comes back (docs/connection.md). */
describe('a confirmation', () => {
  let scene: Scene;
  beforeAll(async () => {
    scene = await startScene({
      world: {
        clouds: ['public'],
        tenants: ['Lines', 'Left', 'Repeated', 'Away', 'Never'].map((displayName) => ({
          displayName,
          instances: [{ name: displayName.toLowerCase(), macs: 1 }],
        })),
      },
    });
  });
  afterAll(() => scene?.close());
  beforeEach(() => scene.world.faults.clear());

  const idOf = (name: string): string =>
    scene.world.tenants.find(({ displayName }) => displayName === name)!.tenantId;
  const newest = async (tenantId: string) =>
    (await scene.api('GET', `/tenants/${tenantId}/confirmation`)).json;
  const names = (steps: readonly { name: string }[]): string[] => steps.map(({ name }) => name);
  const ready = async (name: string): Promise<string> => {
    const tenantId = idOf(name);
    await consent(scene, tenantId);
    await addInstance(scene, tenantId, name.toLowerCase());
    return tenantId;
  };
  const linesOf = (text: string) =>
    text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
  const inLines = (tenantId: string, verb: string, headers: Record<string, string> = {}) =>
    call(`${scene.gateway.admin}/api/v1/tenants/${tenantId}/${verb}`, {
      method: 'POST',
      ca: scene.trust,
      headers: { authorization: `Bearer ${bootstrapKey}`, accept: 'application/x-ndjson', ...headers },
    });

  it('tells each step as it is done, and the same result as without lines', async () => {
    const tenantId = await ready('Lines');
    const answer = await inLines(tenantId, 'confirm');
    expect([answer.status, answer.headers['content-type']]).toEqual([200, 'application/x-ndjson']);
    const [first, ...rest] = linesOf(answer.text);
    const { result } = rest.pop();
    expect(first).toEqual({ begun: true });
    expect(result).toMatchObject({ ok: true, dryRun: false });
    expect(rest.map(({ step }) => step)).toEqual(result.steps);
    const plain = await scene.api('POST', `/tenants/${tenantId}/confirm`);
    expect(names(plain.json.steps)).toEqual(names(result.steps));
    // Recorded once each, and shown to whoever comes later.
    const { results } = (await scene.api('GET', `/history?filter=tenantId==${tenantId}`)).json;
    const confirmed = results.filter(({ action }: { action: string }) => action === 'connection.confirm');
    expect(confirmed).toHaveLength(2);
    expect(await newest(tenantId)).toMatchObject({
      ...{ state: 'ended', action: 'confirm', ok: true },
      steps: plain.json.steps,
    });
  });

  it('goes on when its caller leaves, and says meanwhile where it stands', async () => {
    const tenantId = await ready('Left');
    scene.world.faults.add({ service: 'jamf:left', delayMs: 3_000, times: 1 });
    await new Promise<void>((resolve, reject) => {
      const asked = request(
        `${scene.gateway.admin}/api/v1/tenants/${tenantId}/confirm`,
        {
          method: 'POST',
          ca: scene.trust,
          headers: { authorization: `Bearer ${bootstrapKey}`, accept: 'application/x-ndjson' },
        },
        (incoming) =>
          incoming.once('data', (chunk: Buffer) => {
            expect(String(chunk)).toContain('{"begun":true}');
            asked.destroy();
            resolve();
          }),
      );
      asked.once('error', reject);
      asked.end();
    });
    const meanwhile = await eventually(async () => {
      const found = await newest(tenantId);
      expect(names(found.steps)).toContain('heartbeat');
      return found;
    });
    expect(meanwhile).toMatchObject({ state: 'running', ok: null, endedAt: null });
    await eventually(async () => expect(await newest(tenantId)).toMatchObject({ state: 'ended', ok: true }));
    expect((await scene.api('GET', `/tenants/${tenantId}`)).json.connectionState).toBe('connected');
  });

  it('gives a repetition under the same Idempotency-Key the same lines, and confirms once', async () => {
    const tenantId = await ready('Repeated');
    const key = { 'idempotency-key': crypto.randomUUID() };
    const first = await inLines(tenantId, 'confirm', key);
    const again = await eventually(async () => {
      const answer = await inLines(tenantId, 'confirm', key);
      expect(answer.status).toBe(200);
      return answer;
    });
    expect(again.headers).toMatchObject({
      ...{ 'idempotent-replayed': 'true', 'content-type': 'application/x-ndjson' },
    });
    expect(again.text).toBe(first.text);
    const { results } = (await scene.api('GET', `/history?filter=tenantId==${tenantId}`)).json;
    expect(results.filter(({ action }: { action: string }) => action === 'connection.confirm')).toHaveLength(
      1,
    );
  });

  it('says which verb it was, and what failed', async () => {
    const tenantId = idOf('Away');
    await connectTenant(scene, tenantId);
    await scene.api('POST', `/tenants/${tenantId}/disable`);
    scene.world.faults.add({ service: 'intune', tenant: tenantId, status: 503, body: 'away' });
    const lines = linesOf((await inLines(tenantId, 'enable')).text);
    expect(lines.at(-1).result.ok).toBe(false);
    const found = await newest(tenantId);
    expect(found).toMatchObject({ state: 'ended', action: 'enable', ok: false });
    const failed = found.steps.find((step: { ok: boolean }) => !step.ok);
    for (const member of ['cause', 'remedy', 'owner']) expect(failed[member], member).toBeTruthy();
  });

  it('of one whose process died says that it was interrupted; of none that there is none', async () => {
    const tenantId = idOf('Never');
    await scene.api('POST', '/tenants', { tenantId, cloud: 'public', displayName: 'Never' });
    expect(await newest(tenantId)).toMatchObject({ state: 'none', ok: null, startedAt: null, steps: [] });
    await scene.database.sql`
      insert into confirmations (tenant_id, confirmation_id, enabling, steps, renewed_at)
      values (${tenantId}, gen_random_uuid(), false, '[{"name":"token","ok":true}]', now() - interval '31 seconds')`;
    expect(await newest(tenantId)).toMatchObject({
      state: 'interrupted',
      ok: null,
      steps: [{ name: 'token' }],
    });
    // A dry run asks nobody and leaves what stands there.
    const dry = await inLines(tenantId, 'confirm?dry-run=true');
    expect(dry.headers['content-type']).toMatch(/^application\/json/);
    expect((await newest(tenantId)).state).toBe('interrupted');
  });
});
