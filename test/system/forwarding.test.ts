import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { eventually } from '../harness/eventually.ts';
import { callerToken, connectTenant, type Scene, sendWebhook, startScene } from '../harness/gateway.ts';
import { type OwnInstance, sendJson, startOwnInstance } from '../harness/own-instance.ts';
import { bodyOf, rawCall } from '../harness/raw-call.ts';

/** What becomes of device calls when instances misbehave (contract section 6, docs/forwarding.md). */
describe('forwarding', () => {
  let scene: Scene;
  let tenantId: string;
  let token: string;
  let berlin: { deviceId: string; id: string };
  const instances: OwnInstance[] = [];

  beforeAll(async () => {
    scene = await startScene({
      world: {
        clouds: ['public'],
        tenants: [{ cloud: 'public', instances: [{ name: 'berlin', macs: 2 }] }],
      },
      environment: { ESPALIER_FORWARD_TIMEOUT_SECONDS: '2' },
    });
    [tenantId] = scene.world.tenants.map((tenant) => tenant.tenantId) as [string];
    const added = (await connectTenant(scene, tenantId)).get('berlin')!;
    token = await callerToken(scene, tenantId);
    const [device] = scene.world.fleet.truth();
    berlin = { deviceId: device!.deviceId, id: added.id };
    await sendWebhook(scene, added, device!.jamfComputerId);
    await eventually(async () =>
      expect((await scene.api('GET', `/tenants/${tenantId}/devices/${berlin.deviceId}`)).status).toBe(200),
    );
  });
  afterAll(async () => {
    await scene?.close();
    for (const instance of instances) await instance.close();
  });
  beforeEach(() => scene.world.faults.clear());

  /** Each case its own: circuits remember. */
  const own = async (name: string): Promise<OwnInstance> => {
    const instance = await startOwnInstance(scene, tenantId, name);
    instances.push(instance);
    return instance;
  };
  const ask = async (deviceId: string, what = 'compliance', method = 'GET') => {
    const { incoming } = await rawCall(
      {
        origin: scene.gateway.data,
        ca: scene.trust,
        method,
        path: `/t/${tenantId}/devices/${deviceId}/${what}`,
        headers: { authorization: `Bearer ${token}` },
      },
      (request) => request.end(),
    );
    const { bytes, broken } = await bodyOf(incoming);
    const text = bytes.toString();
    const isProblem = incoming.headers['content-type'] === 'application/problem+json';
    return {
      status: incoming.statusCode,
      headers: incoming.headers,
      text,
      broken,
      slug: isProblem ? JSON.parse(text).type.split('/').at(-1) : undefined,
    };
  };

  it('brings the answers of a simulated instance, with their length and over few connections', async () => {
    for (const what of ['compliance', 'inventory']) {
      const answer = await ask(berlin.deviceId, what);
      expect(answer.status, answer.text).toBe(200);
      expect(JSON.parse(answer.text)).toBeDefined();
    }
  });

  it('sends recalculate as a POST without a body', async () => {
    const instance = await own('recalculates');
    instance.answer = (_, response) => response.writeHead(202, { 'content-length': '0' }).end();
    const answer = await ask(instance.deviceId, 'recalculate', 'POST');
    expect([answer.status, answer.text]).toEqual([202, '']);
    expect(instance.arrived[0]).toMatchObject({
      method: 'POST',
      url: '/api/v1/computers/4711/recalculate-smart-groups',
      headers: { 'content-length': '0' },
    });
  });

  it('says that an instance is paused, and for how long, without asking it', async () => {
    const instance = await own('pauses');
    expect((await ask(instance.deviceId)).status).toBe(200);
    await scene.api('POST', `/tenants/${tenantId}/instances/${instance.id}/pause`);
    await eventually(async () => {
      const answer = await ask(instance.deviceId);
      expect([answer.status, answer.slug]).toEqual([503, 'instance-paused']);
      expect(Number(answer.headers['retry-after'])).toBeGreaterThanOrEqual(60);
    });
    const before = instance.arrived.length;
    await ask(instance.deviceId);
    expect(instance.arrived).toHaveLength(before);
    await scene.api('POST', `/tenants/${tenantId}/instances/${instance.id}/resume`);
    await eventually(async () => expect((await ask(instance.deviceId)).status).toBe(200));
  });

  it('leaves an instance alone that fails, and finds that it is well again', async () => {
    const instance = await own('fails');
    instance.answer = (_, response) => {
      response.writeHead(503, { 'content-type': 'text/html' }).end('<html>maintenance</html>');
    };
    const slugs: (string | undefined)[] = [];
    for (let call = 0; call < 12; call += 1) slugs.push((await ask(instance.deviceId)).slug);
    expect(slugs).toEqual([...Array(10).fill('instance-error'), 'instance-paused', 'instance-paused']);
    expect(instance.arrived).toHaveLength(10);
    const open = await ask(instance.deviceId);
    expect([open.status, Number(open.headers['retry-after'])]).toEqual([503, expect.any(Number)]);
    expect(Number(open.headers['retry-after'])).toBeGreaterThanOrEqual(1);
    // The others have nothing to do with it.
    expect((await ask(berlin.deviceId)).status).toBe(200);
    instance.answer = (_, response) => sendJson(response, 200, { well: true });
    await eventually(async () => expect((await ask(instance.deviceId)).text).toBe('{"well":true}'));
  });

  it('breaks the connection to the caller where an answer breaks in the middle', async () => {
    const instance = await own('breaks');
    for (const headers of [{ 'content-length': '100' }, {}]) {
      instance.answer = (_, response) => {
        response.writeHead(200, { 'content-type': 'application/json', ...headers });
        response.write('{"half":', () => setTimeout(() => response.socket?.destroy(), 50));
      };
      const answer = await ask(instance.deviceId);
      expect([answer.status, answer.text, answer.broken]).toEqual([200, '{"half":', true]);
    }
    instance.answer = (_, response) => {
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': '100' });
      response.write('{"half":');
    };
    const stalled = await ask(instance.deviceId);
    expect([stalled.status, stalled.text, stalled.broken]).toEqual([200, '{"half":', true]);
  });

  it('answers instance-error for half a head and for what is no HTTP', async () => {
    const instance = await own('garbles');
    for (const text of ['HTTP/1.1 200 O', 'SSH-2.0-x\r\n', 'HTTP/1.1 200 OK\r\na: b\nc: d\r\n\r\n']) {
      instance.answer = (_, response) => {
        response.socket?.end(text);
      };
      const answer = await ask(instance.deviceId);
      expect([answer.status, answer.slug]).toEqual([502, 'instance-error']);
    }
  });

  it('tries a GET once more on a new connection where an idle one was closed as it came, and no POST', async () => {
    const instance = await own('closes');
    await ask(instance.deviceId);
    let closed = 0;
    const closeUsed = (): void => {
      let first = true;
      instance.answer = (_, response) => {
        if (first) {
          first = false;
          closed += 1;
          response.socket?.destroy();
        } else sendJson(response, 200, { ok: true });
      };
    };
    closeUsed();
    expect((await ask(instance.deviceId)).status).toBe(200);
    closeUsed();
    const post = await ask(instance.deviceId, 'recalculate', 'POST');
    expect([post.status, post.slug, closed]).toEqual([502, 'instance-unreachable', 2]);
  });

  it('refreshes the token once, also for many calls at the same time', async () => {
    const instance = await own('refuses');
    await ask(instance.deviceId);
    const before = instance.tokens();
    const stale = instance.arrived.at(-1)?.headers.authorization;
    instance.answer = ({ headers }, response) => {
      if (headers.authorization === stale) sendJson(response, 401, { httpStatus: 401, errors: [] });
      else sendJson(response, 200, { ok: true });
    };
    const answers = await Promise.all(Array.from({ length: 20 }, () => ask(instance.deviceId)));
    expect(answers.map(({ status }) => status)).toEqual(Array(20).fill(200));
    expect(instance.tokens()).toBe(before + 1);
  });

  it('holds few connections to one instance, whatever comes, and answers all', async () => {
    const instance = await own('crowded');
    await ask(instance.deviceId);
    let most = 0;
    instance.answer = (_, response) => {
      most = Math.max(most, instance.open());
      setTimeout(() => sendJson(response, 200, { ok: true }), 20);
    };
    const answers = await Promise.all(Array.from({ length: 150 }, () => ask(instance.deviceId)));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    // One more carried the token requests.
    expect(most).toBeLessThanOrEqual(65);
  });

  it('answers instance-unreachable where nothing listens, and instance-timeout where nothing answers', async () => {
    const instance = await own('goes');
    await ask(instance.deviceId);
    instance.answer = () => undefined;
    const silent = await ask(instance.deviceId);
    expect([silent.status, silent.slug]).toEqual([504, 'instance-timeout']);
    await instance.close();
    const gone = await ask(instance.deviceId);
    expect([gone.status, gone.slug]).toEqual([502, 'instance-unreachable']);
  });
});
