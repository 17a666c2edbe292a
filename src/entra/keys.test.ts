import { generateKeyPairSync } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Loopback, sendJson, startLoopback } from '../../test/harness/loopback.ts';
import { builtInClouds, type Cloud } from './clouds.ts';
import { createKeySource, type KeySource, parseKeySet } from './keys.ts';

const jwk = (kid: string, more: object = {}) => ({
  ...generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey.export({ format: 'jwk' }),
  kid,
  use: 'sig',
  ...more,
});
const first = jwk('first');
const second = jwk('second');
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
  source = createKeySource({ sharing: 'process', send: authority.send, now: () => nowMs, timeoutMs: 500 });
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
/** A background refresh has ended when the server has answered and the microtasks have run. */
const settled = async (count: number): Promise<void> => {
  await expect.poll(fetches).toBe(count);
  await new Promise((done) => setTimeout(done, 30));
};

describe('fetching', () => {
  test('from the tenant’s own address, once for many callers', async () => {
    const results = await Promise.all(Array.from({ length: 20 }, () => find('first')));
    expect(results.every(({ ok }) => ok)).toBe(true);
    expect(authority.seen.map(({ url }) => url)).toEqual([`/${tenantId}/discovery/v2.0/keys`]);
    expect(await find('first')).toMatchObject({ ok: true, keys: [{ kid: 'first', n: first.n }] });
    expect(fetches()).toBe(1);
  });

  test('ill-formed keys are skipped one by one', async () => {
    serve(null, 1, { kid: 'x' }, { ...second, n: 'AQAB' }, { ...second, kid: 'enc', use: 'enc' }, first);
    expect(await find('first')).toMatchObject({ ok: true });
    expect(await find('enc')).toEqual({ ok: false, failure: 'unknown' });
  });

  test.each(['<html>', '{}', '{"keys":{}}', '{"keys":[]}', 'null'])('no key set: %s', async (text) => {
    authority.handle = (_request, response) => {
      response.writeHead(200).end(text);
    };
    expect(await find('first')).toEqual({ ok: false, failure: 'unavailable' });
  });

  test('an authority that is away is asked again after a moment, not by every call', async () => {
    fail();
    expect(await find('first')).toEqual({ ok: false, failure: 'unavailable' });
    expect(await find('first')).toEqual({ ok: false, failure: 'unavailable' });
    expect(fetches()).toBe(1);
    serve(first);
    nowMs += 2_000;
    expect(await find('first')).toMatchObject({ ok: true });
  });
});

describe('rollover', () => {
  test('an unknown key id refreshes once per cooldown and issuer', async () => {
    await find('first');
    serve(first, second);
    expect(await find('second')).toMatchObject({ ok: true });
    for (let call = 0; call < 10; call += 1)
      expect(await find('forged')).toEqual({ ok: false, failure: 'unknown' });
    expect(fetches()).toBe(2);
    nowMs += 299_000;
    await find('forged');
    expect(fetches()).toBe(2);
    nowMs += 1_000;
    await find('forged');
    expect(fetches()).toBe(3);
  });

  test('hourly, behind the callers’ backs', async () => {
    await find('first');
    serve(second);
    nowMs += hourMs;
    expect(await find('first')).toMatchObject({ ok: true });
    await settled(2);
    expect(await find('second')).toMatchObject({ ok: true });
  });

  test('the last good set serves 24 h', async () => {
    await find('first');
    fail();
    nowMs += 23 * hourMs;
    expect(await find('first')).toMatchObject({ ok: true });
    await settled(2);
    expect(await find('first')).toMatchObject({ ok: true });
    nowMs += hourMs;
    expect(await find('first')).toEqual({ ok: false, failure: 'unavailable' });
  });
});

describe('where requests must not wait for each other', () => {
  const behind: Promise<unknown>[] = [];
  beforeEach(() => {
    behind.length = 0;
    source = createKeySource({
      ...{ send: authority.send, now: () => nowMs, timeoutMs: 500 },
      sharing: 'request',
      after: (work) => behind.push(work),
    });
  });

  test('each caller fetches by itself, so that one whose fetch hangs keeps nobody waiting', async () => {
    let hung: (() => void) | undefined;
    authority.handle = (_request, response) => {
      hung = () => response.destroy();
      serve(first);
    };
    const left = find('first');
    await expect.poll(() => hung).toBeDefined();
    expect(await find('first')).toMatchObject({ ok: true });
    expect(source.peek({ cloud, tenantId, kid: 'first' })).toHaveLength(1);
    hung?.();
    expect(await left).toEqual({ ok: false, failure: 'unavailable' });
    expect(await find('first')).toMatchObject({ ok: true });
    expect(fetches()).toBe(2);
  });

  test('one request an hour refreshes behind its own answer, and another one a minute later if that was cut off', async () => {
    await find('first');
    nowMs += hourMs;
    authority.handle = () => undefined;
    for (let call = 0; call < 5; call += 1) expect(await find('first')).toMatchObject({ ok: true });
    expect(behind.length).toBe(1);
    await expect.poll(fetches).toBe(2);
    serve(second);
    nowMs += 60_000;
    expect(await find('first')).toMatchObject({ ok: true });
    expect(behind.length).toBe(2);
    await behind[1];
    expect(await find('second')).toMatchObject({ ok: true });
    await behind[0];
  });
});

describe('bounds', () => {
  test('the least used issuer is forgotten', async () => {
    source = createKeySource({ sharing: 'process', send: authority.send, now: () => nowMs, issuers: 1 });
    await find('first');
    await find('first', 'cccccccc-1111-4222-8333-bbbbbbbbbbbb');
    await find('first');
    expect(fetches()).toBe(3);
  });

  test('at most 1000 keys; a key id with two keys is ambiguous, unless their issuers differ', () => {
    const many = Array.from({ length: 1100 }, (_, index) => ({ ...first, kid: `k${index}` }));
    expect(parseKeySet(JSON.stringify({ keys: many }))?.size).toBe(1000);
    const twice = { ...second, kid: 'first' };
    expect(parseKeySet(JSON.stringify({ keys: [first, twice, second] }))?.has('first')).toBe(false);
    expect(parseKeySet(JSON.stringify({ keys: [first, first] }))?.get('first')).toHaveLength(1);
    const apart = [
      { ...first, issuer: 'a' },
      { ...twice, issuer: 'b' },
    ];
    expect(parseKeySet(JSON.stringify({ keys: apart }))?.get('first')).toHaveLength(2);
  });
});

test('a snapshot serves after a restart without the authority', async () => {
  await find('first');
  const saved = source.snapshot();
  fail();
  source = createKeySource({ sharing: 'process', send: authority.send, now: () => nowMs });
  source.restore(JSON.parse(JSON.stringify(saved)));
  expect(await find('first')).toMatchObject({ ok: true });
  expect(fetches()).toBe(1);
});

test('a key that those of the snapshot do not have is not unknown while the authority cannot be asked', async () => {
  fail();
  const keys = [...(parseKeySet(JSON.stringify({ keys: [first] }))?.values() ?? [])].flat();
  source = createKeySource({
    ...{ sharing: 'process', send: authority.send, now: () => nowMs, timeoutMs: 500 },
    lastKnown: async () => ({ keys, ageMs: hourMs }),
  });
  expect(await find('second')).toEqual({ ok: false, failure: 'unavailable' });
  expect(await find('first')).toMatchObject({ ok: true, keys: [{ kid: 'first' }] });
});
