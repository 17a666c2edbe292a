/** One instance whose requests hang holds its share of the intake and no more, and what it is refused is not lost. */

import { once } from 'node:events';
import type { ClientRequest, IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { constants, createGzip, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { recordLimits, recordsTogether } from '../../src/limits.ts';
import { eventually } from '../harness/eventually.ts';
import {
  type AddedInstance,
  connectTenant,
  type Scene,
  sendWebhook,
  startScene,
} from '../harness/gateway.ts';

describe('an instance whose webhooks do not say how long they are', () => {
  let scene: Scene;
  let berlin: AddedInstance;
  const hanging: ClientRequest[] = [];

  beforeAll(async () => {
    const tenants = [{ instances: [{ name: 'berlin', macs: 1 }] }];
    scene = await startScene({ world: { clouds: ['public'], tenants } });
    berlin = (await connectTenant(scene, scene.world.tenants[0]!.tenantId)).get('berlin')!;
  }, 60_000);
  afterAll(async () => {
    for (const one of hanging) one.destroy();
    await scene?.close();
  }, 60_000);

  const chunked = (): ClientRequest => {
    const one = request(`${scene.gateway.data}/jamf/${berlin.id}/webhooks`, {
      method: 'POST',
      agent: false,
      ca: scene.trust,
      headers: {
        'content-type': 'application/json',
        'transfer-encoding': 'chunked',
        'x-api-key': berlin.key,
      },
    });
    one.on('error', () => undefined);
    hanging.push(one);
    return one;
  };

  it('is not taken for one that sends the largest of all', async () => {
    for (let nth = 0; nth < 8; nth += 1) chunked().write('{"webhook":');
    const whole = chunked();
    const answer = new Promise<number | undefined>((resolve) =>
      whole.on('response', ({ statusCode }) => resolve(statusCode)),
    );
    const [mac] = scene.world.fleet.truth();
    whole.end(
      JSON.stringify({
        webhook: { webhookEvent: 'ComputerCheckIn' },
        event: { computer: { jssID: mac!.jamfComputerId } },
      }),
    );
    expect(await answer).toBe(202);
  });
});

describe('an instance with many requests under way', () => {
  let scene: Scene;
  let berlin: AddedInstance;
  let boston: AddedInstance;
  const hanging: ClientRequest[] = [];

  beforeAll(async () => {
    const macs = 2;
    scene = await startScene({
      world: {
        clouds: ['public'],
        tenants: [{ instances: [{ name: 'berlin', macs }] }, { instances: [{ name: 'boston', macs }] }],
      },
      environment: {
        // Four for a tenant's intake, two for an instance's.
        ESPALIER_CONNECTIONS: '16',
        ESPALIER_CONNECTIONS_PER_ADDRESS: '16',
        ESPALIER_POLL_SECONDS: '3600',
        ESPALIER_RECONCILE_SECONDS: '86400',
      },
    });
    const [first, second] = scene.world.tenants.map(({ tenantId }) => tenantId) as [string, string];
    berlin = (await connectTenant(scene, first)).get('berlin')!;
    boston = (await connectTenant(scene, second)).get('boston')!;
  }, 60_000);
  afterAll(async () => {
    for (const one of hanging) one.destroy();
    await scene?.close();
  }, 60_000);

  /** A request whose body does not come to its end. */
  const hangAt = (path: string, headers: Readonly<Record<string, string>>): ClientRequest => {
    const one = request(`${scene.gateway.data}${path}`, {
      method: 'POST',
      agent: false,
      ca: scene.trust,
      headers: { 'content-type': 'application/json', ...headers },
    });
    one.on('error', () => undefined);
    one.write('{"webhook":');
    hanging.push(one);
    return one;
  };
  const hang = ({ id, key }: AddedInstance): ClientRequest =>
    hangAt(`/jamf/${id}/webhooks`, { 'x-api-key': key, 'content-length': '100' });
  const macOf = (name: string): number =>
    scene.world.fleet.truth().find(({ instance }) => instance === name)!.jamfComputerId;
  const isKnown = async (id: string, computer: number): Promise<boolean> => {
    const rows = await scene.database.sql`
      select from computers where instance_id = ${id} and jamf_computer_id = ${computer} and done_revision > 0`;
    return rows.length === 1;
  };

  it('hears 429, another tenant’s does not, and the refused webhook is made up for', async () => {
    // Both are known by their keys.
    expect((await sendWebhook(scene, berlin, macOf('berlin') + 1)).status).toBe(202);
    const [computer, other] = [macOf('berlin'), macOf('berlin') + 1];
    // The place of a request that is answered is free a moment after its answer, so that two may not be enough.
    await eventually(async () => {
      hang(berlin);
      expect((await sendWebhook(scene, berlin, other)).status).toBe(429);
    });
    const refused = await sendWebhook(scene, berlin, computer);
    expect([refused.status, refused.json.type]).toEqual([429, 'https://espalier.dev/problems/rate-limited']);
    expect(Number(refused.headers['retry-after'])).toBeGreaterThanOrEqual(1);
    for (let nth = 0; nth < 5; nth += 1)
      expect((await sendWebhook(scene, boston, macOf('boston'))).status).toBe(202);
    await eventually(async () => expect(await isKnown(berlin.id, computer)).toBe(true), 20_000);
    for (const one of hanging) one.destroy();
    await eventually(async () => expect((await sendWebhook(scene, berlin, computer)).status).toBe(202));
  }, 60_000);

  it('strangers whose large notifications hang push out no ordinary one of Graph', async () => {
    const path = `/t/${scene.world.tenants[0]!.tenantId}/notifications`;
    const refused = Promise.withResolvers<number | undefined>();
    for (let nth = 0; nth < 5; nth += 1)
      hangAt(path, { 'content-length': '1048576' }).on('response', ({ statusCode }) =>
        refused.resolve(statusCode),
      );
    expect(await refused.promise).toBe(429);
    const headers = { 'content-type': 'application/json' };
    expect((await scene.data(path, { method: 'POST', headers, body: '{"value":[]}' })).status).toBe(202);
  });
});

describe('an instance whose packed pushes hang', () => {
  let scene: Scene;
  let berlin: AddedInstance;
  let boston: AddedInstance;
  let hanging: ClientRequest[] = [];

  beforeAll(async () => {
    const macs = 1;
    scene = await startScene({
      world: {
        clouds: ['public'],
        tenants: [{ instances: [{ name: 'berlin', macs }] }, { instances: [{ name: 'boston', macs }] }],
      },
      environment: { ESPALIER_POLL_SECONDS: '3600', ESPALIER_RECONCILE_SECONDS: '86400' },
    });
    const [first, second] = scene.world.tenants.map(({ tenantId }) => tenantId) as [string, string];
    berlin = (await connectTenant(scene, first)).get('berlin')!;
    boston = (await connectTenant(scene, second)).get('boston')!;
    // Records that wait to be taken in: nothing asks the instances for them.
    await scene.api('POST', `/tenants/${first}/instances/${berlin.id}/pause`);
    await scene.api('POST', `/tenants/${second}/instances/${boston.id}/pause`);
  }, 60_000);
  afterAll(async () => {
    letGo();
    await scene?.close();
  }, 60_000);

  const letGo = (): void => {
    for (const one of hanging) one.destroy();
    hanging = [];
  };
  /** A record of which nearly as much is kept as may be, without its end. */
  const begun = (id: number): string =>
    `{"id":${id},"general":{"name":"${'x'.repeat(recordLimits.keptBytes - 100)}`;
  const large = (id: number): string => `${begun(id)}"}}`;
  const unfinished = (text: string): Buffer => gzipSync(text, { finishFlush: constants.Z_SYNC_FLUSH });
  const headersOf = ({ key }: AddedInstance): Record<string, string> => ({
    'content-type': 'application/x-ndjson',
    'content-encoding': 'gzip',
    'x-api-key': key,
  });
  const hang = (instance: AddedInstance): void => {
    const body = unfinished(begun(1));
    const one = request(`${scene.gateway.data}/jamf/${instance.id}/inventory`, {
      method: 'POST',
      agent: false,
      ca: scene.trust,
      headers: { ...headersOf(instance), 'content-length': String(body.length + 10) },
    });
    one.on('error', () => undefined);
    one.write(body);
    hanging.push(one);
  };
  const push = (instance: AddedInstance, body: Buffer) =>
    scene.data(`/jamf/${instance.id}/inventory`, { method: 'POST', headers: headersOf(instance), body });
  const fill = async (): Promise<void> => {
    for (let nth = 0; nth < 40; nth += 1) hang(berlin);
    // Of those that come at the same time more are refused than have to be.
    await eventually(async () => {
      hang(berlin);
      expect((await push(berlin, unfinished(begun(1)))).status).toBe(429);
    });
  };

  it('hears 429 when its share is held by what they unpacked to, another tenant’s does not', async () => {
    await fill();
    const refused = await push(berlin, gzipSync(large(2)));
    expect([refused.status, refused.json.type, refused.json.detail]).toEqual([
      429,
      'https://espalier.dev/problems/rate-limited',
      'Too many large bodies of this instance are under way.',
    ]);
    expect(Number(refused.headers['retry-after'])).toBeGreaterThanOrEqual(1);
    const others = await Promise.all([1, 2, 3].map((id) => push(boston, gzipSync(large(id)))));
    expect(others.map(({ status }) => status)).toEqual([202, 202, 202]);
    letGo();
    await eventually(async () => expect((await push(berlin, gzipSync(large(2)))).status).toBe(202));
  }, 60_000);

  it('is refused at the entrance, before anything is unpacked, when what it may hold is not to be had', async () => {
    await fill();
    const many = Array.from({ length: 1_000 }, (_, at) => `{"id":${50_000 + at}}`).join('\n');
    const refused = await push(berlin, gzipSync(many));
    expect([refused.status, refused.json.detail]).toEqual([
      429,
      'Too many large bodies of this instance are under way.',
    ]);
    letGo();
    await eventually(async () => expect((await push(berlin, gzipSync(many))).status).toBe(202));
  }, 60_000);

  it('is told how many records were taken before one that found no room', async () => {
    // They are let in while there is room, and want more than is left when all of it is held.
    const ids = [1_000, 2_000, 3_000];
    const cut = ids.map((from) => {
      const packing = createGzip();
      const sent = request(`${scene.gateway.data}/jamf/${berlin.id}/inventory`, {
        method: 'POST',
        agent: false,
        ca: scene.trust,
        headers: headersOf(berlin),
      });
      sent.on('error', () => undefined);
      const answer = once(sent, 'response').then(async ([response]: IncomingMessage[]) => ({
        status: response?.statusCode,
        retryAfter: response?.headers['retry-after'],
        json: JSON.parse((await response?.toArray())?.join('') ?? ''),
      }));
      packing.pipe(sent);
      packing.write(Array.from({ length: 200 }, (_, at) => `{"id":${from + at}}\n`).join(''));
      packing.flush();
      return { packing, answer, from };
    });
    const stored = async () => {
      const [row] = await scene.database.sql`
        select count(*)::int as rows from computers where instance_id = ${berlin.id} and jamf_computer_id between 1000 and 9999`;
      return row?.rows;
    };
    // Those of the first lots.
    await eventually(async () => expect(await stored()).toBe(ids.length * recordsTogether));
    // A body that is silent is given up.
    const alive = setInterval(() => {
      for (const { packing } of cut) {
        packing.write('\n');
        packing.flush();
      }
    }, 1_000);
    await fill().finally(() => clearInterval(alive));
    for (const { from, packing } of cut) packing.end(`${large(from + 500)}\n${large(from + 501)}\n`);
    const answers = await Promise.all(cut.map(({ answer }) => answer));
    const refused = answers.filter(({ status }) => status === 429);
    expect(refused.length).toBeGreaterThan(0);
    for (const { json, retryAfter } of refused) {
      // The first of the two large ones may have found room.
      expect(json.detail).toMatch(
        /^Too many large bodies of this instance are under way\. The 20[01] records before were accepted\.$/,
      );
      expect(Number(retryAfter)).toBeGreaterThanOrEqual(1);
    }
    expect(await stored()).toBeGreaterThanOrEqual(ids.length * 200);
    letGo();
  }, 60_000);

  it('gets back what a push held, however it ended', async () => {
    const whole = gzipSync(large(3));
    const ends: readonly (readonly [Buffer, number])[] = [
      [whole, 202],
      [Buffer.concat([unfinished(begun(3)), Buffer.alloc(100, 255)]), 400],
      [gzipSync(`${begun(3)}"},"x":${'['.repeat(1_100_000)}`), 413],
    ];
    await eventually(async () => expect((await push(berlin, whole)).status).toBe(202));
    // Were they not given back, the share would be full within these.
    for (const [body, status] of ends)
      for (let round = 0; round < 8; round += 1) {
        const answers = await Promise.all([1, 2, 3, 4].map(() => push(berlin, body)));
        expect(answers.map((answer) => answer.status)).toEqual(answers.map(() => status));
      }
    for (let nth = 0; nth < 2; nth += 1) {
      await fill();
      letGo();
      await eventually(async () => expect((await push(berlin, whole)).status).toBe(202));
    }
  }, 60_000);

  it('may send many ordinary ones at the same time', async () => {
    const record = (id: number): string => JSON.stringify({ id, general: { name: 'x'.repeat(4_000) } });
    const body = (from: number): Buffer =>
      gzipSync(Array.from({ length: 1_000 }, (_, at) => record(from + at)).join('\n'));
    const answers = await Promise.all(
      Array.from({ length: 12 }, (_, nth) => push(berlin, body(10_000 + nth * 1_000))),
    );
    expect(answers.map(({ json }) => json.accepted)).toEqual(answers.map(() => 1_000));
  }, 60_000);
});
