/** What one tenant, one of its applications and strangers can take of a gateway, in the lane and in the ordinary way alike. */

import { afterEach, describe, expect, it } from 'vitest';
import { createCredentialLookup } from '../../src/store/credentials.ts';
import { eventually } from '../harness/eventually.ts';
import {
  type LaneScene,
  type LaneSceneOptions,
  openCaller,
  type RawCaller,
  startLaneScene,
} from '../harness/lane-scene.ts';

describe('beside one noisy caller', () => {
  let scene: LaneScene | undefined;
  const callers: RawCaller[] = [];
  afterEach(async () => {
    for (const { socket } of callers.splice(0)) socket.destroy();
    await scene?.close();
    scene = undefined;
  });
  const start = async (options: LaneSceneOptions): Promise<LaneScene> => {
    scene = await startLaneScene(options);
    return scene;
  };
  interface Wanted {
    readonly tenantId: string;
    readonly deviceId: string;
    readonly token: string;
  }
  /** Sends one call on a connection of its own. */
  const send = async (port: number, { deviceId, tenantId, token }: Wanted): Promise<RawCaller> => {
    const caller = await openCaller(port);
    callers.push(caller);
    caller.socket.write(
      `GET /t/${tenantId}/devices/${deviceId}/compliance HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${token}\r\n\r\n`,
    );
    return caller;
  };
  const statusOf = async (caller: RawCaller): Promise<number> => {
    await caller.until(1);
    const [answer] = caller.answers();
    return answer && 'status' in answer ? answer.status : 0;
  };
  const ask = async (port: number, wanted: Wanted): Promise<number> => statusOf(await send(port, wanted));
  const ok = 'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}';

  it.each(['lane', 'plain'] as const)(
    'calls under way are bounded for an application and for a tenant, and another tenant does not notice: %s',
    async (way) => {
      // Of sixteen: four for a tenant, two for an application.
      const { device, neighbour, ...one } = await start({ connections: 16 });
      const port = one[way];
      const deviceId = await device();
      const of = (azp: string): Wanted => ({ tenantId: one.tenantId, deviceId, token: one.token({ azp }) });
      const [first, second, third] = [of('first'), of('second'), of('third')] as const;
      const other = await neighbour();
      scene!.answer = (socket) => socket.write(ok);
      for (const wanted of [first, second, third, other]) expect(await ask(port, wanted)).toBe(200);

      // The instance of the noisy tenant answers nobody any more.
      const held: { write(text: string): void; destroy(): void }[] = [];
      scene!.answer = (socket) => void held.push(socket);
      const waiting = [await send(port, first), await send(port, first)];
      await eventually(() => expect(held).toHaveLength(2));
      const refused = await send(port, first);
      expect(await statusOf(refused)).toBe(429);
      expect(refused.answers()[0]).toMatchObject({ headers: { 'retry-after': '2' } });
      waiting.push(await send(port, second), await send(port, second));
      await eventually(() => expect(held).toHaveLength(4));
      expect([await ask(port, second), await ask(port, third)]).toEqual([429, 429]);
      scene!.answer = (socket) => socket.write(ok);
      expect(await ask(port, other)).toBe(200);

      // Places come back with an answer, and with a caller that goes away.
      for (const socket of held.slice(0, 2)) socket.write(ok);
      expect(await Promise.all(waiting.slice(0, 2).map(statusOf))).toEqual([200, 200]);
      for (const { socket } of waiting.slice(2)) socket.destroy();
      await eventually(async () => {
        for (const wanted of [first, second, third]) expect(await ask(port, wanted)).toBe(200);
      });
      for (let nth = 0; nth < 10; nth += 1) expect(await ask(port, third)).toBe(200);
    },
    20_000,
  );

  it('a refused call, an unknown device and a broken instance hold no place', async () => {
    const { device, lane, plain, tenantId, token } = await start({ connections: 16 });
    const deviceId = await device();
    const good: Wanted = { tenantId, deviceId, token: token() };
    const without: Wanted = { ...good, token: token({ roles: [] }) };
    const unknown: Wanted = { ...good, deviceId: '00000000-0000-4000-8000-000000000000' };
    for (const port of [lane, plain]) {
      for (let nth = 0; nth < 6; nth += 1) {
        expect([await ask(port, without), await ask(port, unknown)]).toEqual([403, 404]);
        scene!.answer = (socket) => socket.destroy();
        expect(await ask(port, good)).toBe(502);
        scene!.answer = (socket) => socket.write(ok);
        expect(await ask(port, good)).toBe(200);
      }
    }
  });

  it.each(['lane', 'plain'] as const)(
    'a call that breaks off in any phase gives its place back: %s',
    async (way) => {
      // One place for the application: one that is not given back refuses everything after it.
      const { device, ...one } = await start({ connections: 8 });
      const port = one[way];
      const good: Wanted = { tenantId: one.tenantId, deviceId: await device(), token: one.token() };
      const half = `${ok.slice(0, -2).replace('length: 2', 'length: 20')}{"half`;
      const works = async (phase: string): Promise<void> => {
        scene!.answer = (socket) => socket.write(ok);
        await eventually(async () => expect(await ask(port, good), phase).toBe(200));
      };
      await works('the first');
      for (let nth = 0; nth < 3; nth += 1) {
        // The token is new, so the call is still being decided when the caller leaves.
        const deciding = await send(port, { ...good, token: one.token({ nth }) });
        deciding.socket.destroy();
        await works('deciding');

        const asked = Promise.withResolvers<void>();
        scene!.answer = () => asked.resolve();
        const asking = await send(port, good);
        await asked.promise;
        asking.socket.end();
        await works('asking');

        scene!.answer = (socket) => socket.write(half);
        const answering = await send(port, good);
        await eventually(() => expect(answering.text()).toContain('{"half'));
        answering.socket.destroy();
        await works('answering');

        scene!.answer = (socket) => socket.end(half);
        const cut = await send(port, good);
        await eventually(() => expect(cut.isClosed()).toBe(true));
        await works('half an answer');

        scene!.answer = (socket) =>
          socket.write('HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n');
        expect(await ask(port, good)).toBe(502);
        await works('an upgrade');
      }
    },
    30_000,
  );

  it('strangers push out no verified token, and take nothing of a tenant’s rate', async () => {
    const { device, isVerified, lane, plain, tenantId, token } = await start({
      verifiedTokens: 2,
      ratePerTenant: 5,
    });
    const deviceId = await device();
    const good: Wanted = { tenantId, deviceId, token: token() };
    expect(await ask(lane, good)).toBe(200);
    expect(isVerified(good.token)).toBe(true);
    const statuses = new Set<number>();
    for (let nth = 0; nth < 20; nth += 1) {
      // Forged, without a role, and of another audience.
      const forged = `${token({ nth }).split('.').slice(0, 2).join('.')}.${Buffer.alloc(256, nth).toString('base64url')}`;
      for (const bad of [forged, token({ roles: [], nth }), token({ aud: 'else', nth })])
        for (const port of [lane, plain]) statuses.add(await ask(port, { ...good, token: bad }));
    }
    expect([...statuses].sort()).toEqual([401, 403]);
    expect(isVerified(good.token)).toBe(true);
    // Ten at once, of which one is gone.
    const answers = await Promise.all(Array.from({ length: 9 }, () => ask(lane, good)));
    expect(answers).toEqual(Array(9).fill(200));
  }, 30_000);

  it('strangers push out no key of an instance', async () => {
    const asked: string[][] = [];
    const lookup = createCredentialLookup<{ readonly keyId: string }>({
      sharing: 'process',
      read: async (hashes) => {
        asked.push([...hashes]);
        return new Map(hashes.filter((hash) => hash === 'live').map((hash) => [hash, { keyId: hash }]));
      },
      now: () => 0,
    });
    expect(await lookup.find('live')).toEqual({ keyId: 'live' });
    await Promise.all(Array.from({ length: 120_000 }, (_, nth) => lookup.find(`invented ${nth}`)));
    const before = asked.length;
    expect([await lookup.find('live'), lookup.remembered('live')]).toEqual([
      { keyId: 'live' },
      { keyId: 'live' },
    ]);
    expect(asked).toHaveLength(before);
  });
});
