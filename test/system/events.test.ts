import { request } from 'node:https';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ConsoleVisit, visitConsole } from '../harness/console.ts';
import { eventually } from '../harness/eventually.ts';
import { bootstrapKey, consent, type Scene, startScene } from '../harness/gateway.ts';

/** Changes as they come: whose they are, how long a stream lasts, and what it leaves alone. */
describe('the stream of events', () => {
  let scene: Scene;
  let contoso: string;
  let fabrikam: string;
  beforeAll(async () => {
    scene = await startScene({
      world: { clouds: ['public'], tenants: [{ instances: [] }, { instances: [] }] },
    });
    [contoso, fabrikam] = scene.world.tenants.map(({ tenantId }) => tenantId) as [string, string];
    for (const { tenantId } of scene.world.tenants) await consent(scene, tenantId);
  }, 120_000);
  afterAll(() => scene?.close());

  interface Open {
    readonly status: number;
    readonly type: string | undefined;
    text(): string;
    readonly ended: Promise<void>;
    close(): void;
  }
  const open = (headers: Record<string, string>): Promise<Open> =>
    new Promise((resolve, reject) => {
      const asked = request(
        `${scene.gateway.admin}/api/v1/events`,
        { headers, agent: false, ca: scene.trust },
        (answer) => {
          let text = '';
          answer.on('data', (chunk: Buffer) => {
            text += chunk.toString('utf8');
          });
          const ended = new Promise<void>((end) => answer.on('close', () => end()));
          resolve({
            status: answer.statusCode ?? 0,
            type: answer.headers['content-type'],
            text: () => text,
            ended,
            close: () => asked.destroy(),
          });
        },
      );
      asked.on('error', reject);
      asked.end();
    });
  const byKey = (key: string) => open({ authorization: `Bearer ${key}` });
  const newKey = async (given: object): Promise<{ id: string; key: string }> =>
    (await scene.api('POST', '/keys', { name: crypto.randomUUID(), role: 'viewer', ...given })).json;
  const changesIn = (stream: Open): { kind: string; tenantId: string | null }[] =>
    [...stream.text().matchAll(/^data: (.*)$/gm)].flatMap(([, data]) => JSON.parse(data ?? '').changes);

  it('tells of changes of tenants, failed reports and approvals, of the own tenants alone', async () => {
    const { key } = await newKey({ tenants: [contoso] });
    const [all, bound] = [await byKey(bootstrapKey), await byKey(key)];
    expect([all.status, all.type]).toEqual([200, 'text/event-stream']);
    for (const tenantId of [fabrikam, contoso]) await scene.api('POST', `/tenants/${tenantId}/pause`);
    await eventually(() => {
      expect(changesIn(all)).toContainEqual({ kind: 'tenant', tenantId: fabrikam });
      expect(changesIn(bound)).toContainEqual({ kind: 'tenant', tenantId: contoso });
    });
    await scene.database.sql`
      insert into reports (tenant_id, device_id, content, content_hash, instance_id, state, failed_at, next_try_at)
      values (${contoso}, gen_random_uuid(), '{}', 'x', gen_random_uuid(), 'failed', now(), null)`;
    await eventually(() => expect(changesIn(bound)).toContainEqual({ kind: 'reports', tenantId: contoso }));
    expect(bound.text()).not.toContain(fabrikam);
    for (const stream of [all, bound]) stream.close();
  });

  it('ends with its key and with its session, and does not prolong the session', async () => {
    const { id, key } = await newKey({});
    const stream = await byKey(key);
    const visit: ConsoleVisit = await visitConsole(scene, (await newKey({})).key);
    const [seen] = await scene.database.sql<{ hash: string }[]>`
      update sessions set last_seen_at = now() - interval '20 minutes' returning session_hash as hash`;
    const cookie = [...visit.browser.cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const ofSession = await open({ cookie });
    expect(ofSession.status).toBe(200);
    await scene.api('DELETE', `/keys/${id}`);
    await stream.ended;
    const [after] = await scene.database.sql<{ minutes: number }[]>`
      select extract(epoch from now() - last_seen_at)::float8 / 60 as minutes from sessions
      where session_hash = ${seen!.hash}`;
    expect(after!.minutes).toBeGreaterThan(19);
    // What a page asks by itself does not either; what a person asks does.
    await visit.open('/', { 'x-espalier-refresh': '1' });
    const minutes = async (): Promise<number> =>
      (
        await scene.database.sql<{ minutes: number }[]>`
          select extract(epoch from now() - last_seen_at)::float8 / 60 as minutes from sessions
          where session_hash = ${seen!.hash}`
      )[0]!.minutes;
    expect(await minutes()).toBeGreaterThan(19);
    await visit.open('/');
    expect(await minutes()).toBeLessThan(19);
    await scene.database.sql`update sessions set ended_at = now()`;
    await ofSession.ended;
  });

  it('is bounded for each person, and a closed one makes room', async () => {
    const { key } = await newKey({});
    const streams = await Promise.all(Array.from({ length: 20 }, () => byKey(key)));
    expect(streams.every(({ status }) => status === 200)).toBe(true);
    const refused = await byKey(key);
    expect(refused.status).toBe(429);
    for (const stream of streams) stream.close();
    await eventually(async () => {
      const again = await byKey(key);
      again.close();
      expect(again.status).toBe(200);
    });
  });

  it('400 for a time that is none, and for a parameter that it does not take', async () => {
    for (const query of ['seconds=0', 'seconds=x', 'seconds=3601', 'seconds=', 'shoeSize=42']) {
      const answer = await scene.api('GET', `/events?${query}`);
      expect([query, answer.status, answer.json.errors[0].field]).toEqual([query, 400, query.split('=')[0]]);
    }
  });

  it('ends when it was asked to, and with the process', async () => {
    const answer = await scene.api('GET', '/events?seconds=1');
    expect(answer.text).toContain('retry: 3000');
    const stream = await byKey(bootstrapKey);
    await scene.restart('stop');
    await stream.ended;
    expect(stream.text()).toContain('welcome');
  });
});
