import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { publicStreams } from '../../src/outbound/node-sockets.ts';
import { type LaneScene, openCaller, startLaneScene } from '../harness/lane-scene.ts';
import { type Forge, type TokenOutcome, tokenRows } from './tokens.ts';

const statuses: Readonly<Record<TokenOutcome, number>> = {
  served: 200,
  unauthenticated: 401,
  'tenant-mismatch': 403,
  forbidden: 403,
};

/** The same answer whichever way the call takes, twice each: what is remembered of a token must not change it. */
describe('tokens', () => {
  let scene: LaneScene;
  let forge: Forge;
  let device: string;
  let ports: readonly number[];
  beforeAll(async () => {
    scene = await startLaneScene({ strangers: { lookAt: () => undefined, wrong: () => undefined } });
    device = await scene.device();
    const otherTenantId = randomUUID();
    await scene.sql`
      insert into tenants (tenant_id, cloud, display_name, mode, connection_type, landing)
      select ${otherTenantId}, cloud, 'Other', mode, connection_type, landing from tenants`;
    const stranger = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const { origin, privateKey, publicKey } = scene.signing;
    forge = {
      tenantId: scene.tenantId,
      otherTenantId,
      origin,
      issuerKey: privateKey,
      issuerPublicKey: publicKey,
      strangerKey: stranger.privateKey,
      strangerPublicKey: stranger.publicKey,
      now: Math.floor(Date.now() / 1_000),
    };
    const open = await scene.listen({ sockets: publicStreams });
    ports = [scene.lane, Number(new URL(open.origin).port), scene.plain];
  }, 60_000);
  afterAll(() => scene?.close());

  async function ask(port: number, lines: readonly string[]) {
    const caller = await openCaller(port);
    const head = [
      `GET /t/${scene.tenantId}/devices/${device}/compliance HTTP/1.1`,
      'Host: a',
      'X-Request-Id: r',
    ];
    const bytes = [...head, ...lines, '', ''].join('\r\n');
    caller.socket.write(bytes, 'latin1');
    await caller.until(1);
    caller.socket.write(bytes, 'latin1');
    await caller.until(2);
    caller.socket.destroy();
    return caller.answers().map((one) => {
      if (!('status' in one)) throw new Error(one.broken);
      const { date, ...headers } = one.headers;
      return { ...one, headers: Object.entries(headers).sort() };
    });
  }

  it.each(tokenRows)('$attack: $outcome', async ({ lines, outcome }) => {
    const sent = lines(forge);
    const seen: string[] = [];
    for (const port of ports) {
      for (const answer of await ask(port, sent)) {
        expect(answer.status, answer.body).toBe(statuses[outcome]);
        if (outcome !== 'served')
          expect(JSON.parse(answer.body).type).toBe(`https://espalier.dev/problems/${outcome}`);
        if (outcome === 'unauthenticated')
          expect(answer.headers).toContainEqual(['www-authenticate', 'Bearer realm="espalier"']);
        seen.push(JSON.stringify(answer));
      }
    }
    expect(new Set(seen).size).toBe(1);
  });
});
