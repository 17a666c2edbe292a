import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../harness/eventually.ts';
import {
  type AddedInstance,
  bootstrapKey,
  connectTenant,
  type Scene,
  startScene,
  webhookBody,
} from '../harness/gateway.ts';
import { call } from '../harness/http.ts';

/**
 * Bodies that one caller makes to harm the others (contract section 7, neighbours): the process survives them, answers
 * them rightly, and goes on answering everybody else.
 */
describe('hostile bodies', () => {
  let scene: Scene;
  let tenantId: string;
  let berlin: AddedInstance;
  let paris: AddedInstance;

  beforeAll(async () => {
    scene = await startScene({
      world: {
        clouds: ['public'],
        tenants: [
          {
            instances: [
              { name: 'berlin', macs: 6 },
              { name: 'paris', macs: 2 },
            ],
          },
        ],
      },
    });
    [tenantId] = scene.world.tenants.map((tenant) => tenant.tenantId) as [string];
    const instances = await connectTenant(scene, tenantId);
    [berlin, paris] = [instances.get('berlin')!, instances.get('paris')!];
  });
  afterAll(() => scene?.close());

  const post = (path: string, headers: Record<string, string>, body: string | Uint8Array) =>
    scene.data(`/jamf/${berlin.id}/${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-api-key': berlin.key, ...headers },
      body,
    });
  const push = (body: string | Uint8Array, headers: Record<string, string> = {}) =>
    post('inventory', headers, body);
  const packed = (body: string | Uint8Array, type = 'application/json') =>
    push(gzipSync(body), { 'content-encoding': 'gzip', 'content-type': type });
  const ndjson = 'application/x-ndjson';
  const codes = (answer: { json: { rejected: { index: number; code: string }[] } }) =>
    answer.json.rejected.map(({ code, index }) => `${index} ${code}`);
  const neighbour = async () => {
    const answer = await scene.data(`/jamf/${paris.id}/webhooks`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-api-key': paris.key },
      body: webhookBody('ComputerCheckIn', 1),
    });
    expect(answer.status).toBe(202);
  };
  const nested = (depth: number) => `${'['.repeat(depth)}${']'.repeat(depth)}`;

  it('a record nested 9,000 deep is rejected, the good one beside it is taken', async () => {
    for (const bad of [
      `{"id":1,"general":${nested(9_000)}}`,
      `{"id":1,"x":${nested(9_000)}}`,
      nested(9_000),
      `{"id":1,"x":${nested(100_000)}}`,
    ]) {
      const array = await push(`[${bad},{"id":1}]`);
      expect([array.status, array.json.accepted, codes(array)]).toEqual([202, 1, ['0 TOO_DEEP']]);
      const lines = await push(`{"id":1}\n${bad}\n{"id":2}\n`, { 'content-type': ndjson });
      expect([lines.status, lines.json.accepted, codes(lines)]).toEqual([202, 2, ['1 TOO_DEEP']]);
      const alone = await push(bad);
      expect(alone.status).toBeLessThan(500);
    }
  });

  it('what unpacks to a hundred million brackets ends nothing but its own request', async () => {
    const half = 49_000_000;
    const bomb = Buffer.concat([Buffer.alloc(half, '['), Buffer.alloc(half, ']')]);
    const answers = [
      await packed(bomb),
      await packed(bomb, ndjson),
      await push('['.repeat(10_000_000)),
      await push('{"a":'.repeat(2_000_000)),
    ];
    expect(answers.map(({ status }) => status)).toEqual([413, 413, 413, 413]);
    await neighbour();
  }, 60_000);

  it('wide, long and endless records are rejected or read, each by itself', async () => {
    const wide = `{"id":1,"general":{${Array.from({ length: 60_000 }, (_, at) => `"k${at}":{}`).join(',')}}}`;
    const long = `{"id":1,"general":{"name":"${'x'.repeat(2_000_000)}"}}`;
    const endless = `{"id":1,"x":"${'x'.repeat(9_000_000)}"}`;
    const number = `{"id":1,"general":{"n":${'9'.repeat(2_000_000)}}}`;
    const answer = await packed([wide, long, endless, number, '{"id":1}'].join('\n'), ndjson);
    expect([answer.status, answer.json.accepted]).toEqual([202, 1]);
    expect(codes(answer)).toEqual(['0 TOO_MANY_MEMBERS', '1 TOO_LARGE', '2 TOO_LARGE', '3 TOO_LARGE']);
    // What nobody reads may be as wide as it likes.
    const applications = Array.from({ length: 40_000 }, (_, at) => `{"name":"a${at}","version":"1"}`);
    expect((await push(`{"id":1,"applications":[${applications.join(',')}]}`)).json.accepted).toBe(1);
    const empty = await packed(Buffer.alloc(90_000_000, '\n'), ndjson);
    expect(empty.status).toBe(400);
    expect((await packed(`[${'{},'.repeat(3_000_000)}{}]`)).status).toBe(413);
    await neighbour();
  }, 60_000);

  it('a push that breaks off keeps what was read and names what was not', async () => {
    const good = Array.from({ length: 500 }, () => '{"id":1}').join(',');
    for (const [tail, index] of [
      [',{"id":', 500],
      [',?', 500],
      [']x', 500],
      [',', 500],
    ] as const) {
      const answer = await push(`[${good}${tail}`);
      expect([answer.status, answer.json.accepted, codes(answer)]).toEqual([
        202,
        500,
        [`${index} INVALID_JSON`],
      ]);
    }
    const cut = gzipSync(`[${good}]`.padEnd(200_000));
    const answer = await push(cut.subarray(0, -4), { 'content-encoding': 'gzip' });
    expect([answer.status, answer.json.accepted, codes(answer)]).toEqual([202, 500, ['500 INVALID_GZIP']]);
    // Cut in the middle of the third record.
    const stored = gzipSync('[{"id":1},{"id":1},{"id":1,"x":"cut off here"}]', { level: 0 });
    const middle = await push(stored.subarray(0, -20), { 'content-encoding': 'gzip' });
    expect([middle.status, middle.json.accepted, codes(middle)]).toEqual([202, 2, ['2 INVALID_GZIP']]);
    const many = await push(`[${'{"id":1},'.repeat(10_000)}{"id":1}]`);
    expect([many.status, many.json.detail]).toEqual([413, expect.stringContaining('10000 records before')]);
    expect((await push('[')).status).toBe(400);
    expect((await push('[{"id":')).status).toBe(400);
    expect((await push('\uFEFF[{"id":1}]')).json.accepted).toBe(1);
  });

  const group = (event: object) =>
    JSON.stringify({
      webhook: { id: 1, name: 'n', webhookEvent: 'SmartGroupComputerMembershipChange' },
      event: { name: 'g', smartGroup: true, jssid: 9, computer: true, ...event },
    });

  it('a webhook of ten megabytes is taken, one that is deeper or wider than any event is not', async () => {
    const shown = Array.from({ length: 40_000 }, (_, at) => ({
      id: (at % 6) + 1,
      'Computer Name': `mac-${at}`,
      'Serial Number': `C02XXXXX${at}`,
      Username: `user.${at}@contoso.test`,
      'Last Inventory Update': '2026-11-28 10:00:00',
    }));
    const large = await post(
      'webhooks',
      {},
      group({ groupAddedDevices: shown, groupAddedDevicesIds: [1, 2] }),
    );
    expect([large.status, large.json]).toEqual([202, { status: 'accepted' }]);
    const bodies = [
      group({ groupAddedDevices: 0 }).replace(':0}', `:${'['.repeat(9_000_000)}`),
      group({ groupAddedDevicesIds: Array.from({ length: 700_000 }, () => 1) }),
      `<JSSEvent>${'<a/>'.repeat(700_000)}</JSSEvent>`,
      `<JSSEvent>${'<a>'.repeat(1_000_000)}</JSSEvent>`,
      `{"x":"${'x'.repeat(11_000_000)}"}`,
    ];
    for (const body of bodies) expect((await post('webhooks', {}, body)).status).toBe(413);
    const comments = `<JSSEvent>${'<!---->'.repeat(1_200_000)}</JSSEvent>`;
    expect((await post('webhooks', { 'content-type': 'text/xml' }, comments)).status).toBe(400);
    await neighbour();
  }, 60_000);

  it('operators and Graph are refused the same without an error inside', async () => {
    const deep = `{"name":${'['.repeat(200_000)}"\\u0000"${']'.repeat(200_000)}}`;
    const wide = `{${Array.from({ length: 60_000 }, (_, at) => `"k${at}":1`).join(',')}}`;
    const some = `{${Array.from({ length: 15_000 }, (_, at) => `"k${at}":1`).join(',')}}`;
    const admin = async (body: string) =>
      (
        await call(`${scene.gateway.admin}/api/v1/tenants`, {
          method: 'POST',
          headers: { 'content-type': 'application/json', authorization: `Bearer ${bootstrapKey}` },
          body,
          ca: scene.trust,
        })
      ).status;
    expect(await Promise.all([deep, wide, some, '['.repeat(1_000_000)].map(admin))).toEqual([
      413, 413, 400, 413,
    ]);
    const graph = async (body: string) => {
      const headers = { 'content-type': 'application/json' };
      return (await scene.data(`/t/${tenantId}/notifications`, { method: 'POST', headers, body })).status;
    };
    const many = JSON.stringify({ value: Array.from({ length: 30_000 }, (_, at) => ({ clientState: at })) });
    expect(await Promise.all([deep, '['.repeat(1_000_000), many].map(graph))).toEqual([400, 400, 400]);
    await neighbour();
  });

  it('others are answered while large bodies are read', async () => {
    const half = 49_000_000;
    const line = `{"id":1,"x":"${'x'.repeat(900)}"}\n`;
    const bodies = [
      Buffer.concat([Buffer.alloc(half, ' '), Buffer.alloc(half, ']')]),
      Buffer.from(line.repeat(9_000)),
      Buffer.from(`{"id":1,"x":[${'{"a":[1,2,"b"]},'.repeat(400_000)}1]}`),
    ];
    let open = bodies.length;
    const hostile = bodies.map((body) => packed(body, ndjson).finally(() => (open -= 1)));
    let answered = 0;
    while (open > 0) {
      await neighbour();
      answered += 1;
    }
    expect((await Promise.all(hostile)).map(({ status }) => status)).toEqual([202, 202, 202]);
    expect(answered).toBeGreaterThan(5);
    await eventually(async () =>
      expect((await scene.api('GET', `/tenants/${tenantId}/status`)).status).toBe(200),
    );
  }, 60_000);
});
