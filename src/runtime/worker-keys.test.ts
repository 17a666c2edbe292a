import { generateKeyPairSync } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Loopback, sendJson, startLoopback } from '../../test/harness/loopback.ts';
import { builtInClouds, type Cloud } from '../entra/clouds.ts';
import type { KeySource } from '../entra/keys.ts';
import { createWorkerKeySource } from './worker-keys.ts';

const jwk = (kid: string) => ({
  ...generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey.export({ format: 'jwk' }),
  kid,
  use: 'sig',
});
const [first, second] = [jwk('first'), jwk('second')];
const hourMs = 3_600_000;
const tenantId = 'aaaaaaaa-1111-4222-8333-bbbbbbbbbbbb';

let authority: Loopback;
let nowMs: number;
let cloud: Cloud;
let source: KeySource;
beforeAll(async () => {
  authority = await startLoopback();
});
beforeEach(() => {
  authority.seen.length = 0;
  nowMs = 1_000_000_000_000;
  serve(first);
  const base = builtInClouds.get('public');
  if (base === undefined) throw new Error('no public cloud');
  cloud = { ...base, jwks: `${authority.origin}/{tenantid}/discovery/v2.0/keys` };
  source = createWorkerKeySource({ send: authority.send, now: () => nowMs, timeoutMs: 500 });
});
afterAll(() => authority.close());

const serve = (...keys: unknown[]): void => {
  authority.handle = (_request, response) => sendJson(response, 200, { keys });
};
const fail = (): void => {
  authority.handle = (_request, response) => {
    response.writeHead(503).end();
  };
};
const find = (kid: string, of = tenantId) => source.find({ cloud, tenantId: of, kid });
const fetches = (): number => authority.seen.length;

describe('the keys that an isolate keeps', () => {
  test('are fetched once an hour, while a caller waits, and are the same objects until then', async () => {
    const fetched = await find('first');
    expect(fetched).toMatchObject({ ok: true, keys: [{ kid: 'first', n: first.n }] });
    nowMs += hourMs - 1;
    const kept = await find('first');
    expect(fetched.ok && kept.ok && fetched.keys[0] === kept.keys[0]).toBe(true);
    expect(fetches()).toBe(1);
    serve(second);
    nowMs += 1;
    expect(await find('first')).toEqual({ ok: false, failure: 'unknown' });
    expect(await find('second')).toMatchObject({ ok: true });
    expect(fetches()).toBe(2);
  });

  test('are fetched for an unknown key id once per cooldown and issuer', async () => {
    await find('first');
    serve(first, second);
    expect(await find('second')).toMatchObject({ ok: true });
    for (let call = 0; call < 10; call += 1)
      expect(await find('forged')).toEqual({ ok: false, failure: 'unknown' });
    expect(fetches()).toBe(2);
    nowMs += 300_000;
    await find('forged');
    expect(fetches()).toBe(3);
  });

  test('serve for a day while the authority is away, which is asked once a minute', async () => {
    await find('first');
    fail();
    nowMs += hourMs;
    for (let call = 0; call < 5; call += 1) expect(await find('first')).toMatchObject({ ok: true });
    expect(fetches()).toBe(2);
    nowMs += 60_000;
    await find('first');
    expect(fetches()).toBe(3);
    nowMs += 23 * hourMs;
    expect(await find('first')).toEqual({ ok: false, failure: 'unavailable' });
    expect(await find('first')).toEqual({ ok: false, failure: 'unavailable' });
    expect(fetches()).toBe(4);
  });

  test('go into a snapshot and back', async () => {
    await find('first');
    const again = createWorkerKeySource({ send: authority.send, now: () => nowMs });
    again.restore(source.snapshot());
    expect(await again.find({ cloud, tenantId, kid: 'first' })).toMatchObject({ ok: true });
    expect(fetches()).toBe(1);
  });
});
