import { generateKeyPairSync, hash, sign } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Send } from '../outbound/port.ts';
import { encodeBase64url } from './base64url.ts';
import { builtInClouds, type Cloud } from './clouds.ts';
import { createKeySource } from './keys.ts';
import { createWebCryptoSignatureCheck } from './signature.ts';
import { createVerifiedTokens, type VerifiedTokens } from './verified-tokens.ts';
import { type VerifyResult, verifyForCache } from './verify.ts';

const tenants = ['aaaaaaaa-1111-4222-8333-bbbbbbbbbbbb', 'cccccccc-1111-4222-8333-dddddddddddd'] as const;
const start = Date.parse('2026-11-23T00:00:00Z');
const cloud: Cloud = {
  ...(builtInClouds.get('public') ?? ({} as Cloud)),
  issuer: 'https://login.example.test/{tenantid}/v2.0',
};
const pairs = [0, 1].map(() => generateKeyPairSync('rsa', { modulusLength: 2048 }));
const signature = createWebCryptoSignatureCheck();
const base64 = (value: unknown): string =>
  encodeBase64url(new TextEncoder().encode(typeof value === 'string' ? value : JSON.stringify(value)));

interface TokenShape {
  readonly tenant: number;
  readonly pair: number;
  readonly kid: string;
  readonly audience: string;
  readonly fromMs: number;
  readonly untilMs: number;
}

const made = new Map<string, string>();
function tokenOf(shape: TokenShape): string {
  const known = made.get(JSON.stringify(shape));
  if (known !== undefined) return known;
  const tid = tenants[shape.tenant];
  const data = `${base64({ alg: 'RS256', kid: shape.kid })}.${base64({
    aud: shape.audience,
    iss: `https://login.example.test/${tid}/v2.0`,
    ver: '2.0',
    tid,
    nbf: (start + shape.fromMs) / 1000,
    exp: (start + shape.untilMs) / 1000,
    roles: ['Device.Read'],
  })}`;
  const key = pairs[shape.pair]?.privateKey;
  if (!key) throw new Error('no such pair');
  const token = `${data}.${encodeBase64url(sign('sha256', Buffer.from(data), key))}`;
  made.set(JSON.stringify(shape), token);
  return token;
}

/** An issuer's published key set as of now: which pair stands under which id, with which restriction; down: none. */
interface Published {
  readonly down: boolean;
  readonly keys: readonly { readonly pair: number; readonly kid: string; readonly alg?: string }[];
}

function world() {
  let nowMs = start;
  let published: Published = { down: false, keys: [{ pair: 0, kid: 'k1' }] };
  const send: Send = async () => {
    if (published.down) return { ok: false, failure: 'unreachable', detail: 'down' };
    const keys = published.keys.map(({ pair, ...rest }) => ({
      ...pairs[pair]?.publicKey.export({ format: 'jwk' }),
      ...rest,
    }));
    const text = JSON.stringify({ keys });
    return {
      ok: true,
      status: 200,
      headers: new Headers(),
      body: (async function* () {
        yield new TextEncoder().encode(text);
      })(),
      text: async () => text,
      discard: async () => undefined,
    };
  };
  return {
    send,
    now: () => nowMs,
    wait: (ms: number) => {
      nowMs += ms;
    },
    publish: (next: Published) => {
      published = next;
    },
    settle: () => new Promise<void>((resolve) => setImmediate(resolve)),
  };
}

type World = ReturnType<typeof world>;

/** A gateway's verification: with the cache when `cached`, else each token anew. */
function verifier(at: World, cached: boolean) {
  const keys = createKeySource({ sharing: 'process', send: at.send, now: at.now });
  const kept: VerifiedTokens | undefined = cached ? createVerifiedTokens(keys) : undefined;
  let hits = 0;
  const verify = async (
    token: string,
    tenantId: string,
    audiences: readonly string[],
  ): Promise<VerifyResult> => {
    const tokenHash = hash('sha256', token, 'base64url');
    const query = { tokenHash, tenantId, cloud, audiences, now: at.now() };
    const claims = kept?.peek(query);
    if (claims) {
      hits += 1;
      return { ok: true, claims };
    }
    const result = await verifyForCache({ ...query, token, keys, signature });
    if (!result.ok) return result;
    kept?.keep(tokenHash, cloud, result);
    return { ok: true, claims: result.claims };
  };
  return { verify, hits: () => hits };
}

const shape: TokenShape = {
  tenant: 0,
  pair: 0,
  kid: 'k1',
  audience: 'gateway',
  fromMs: 0,
  untilMs: 3_600_000,
};
const hour = 3_600_000;

describe('verified tokens', () => {
  test('a second find needs no verification, and a token is no key of the cache', async () => {
    const at = world();
    const { hits, verify } = verifier(at, true);
    expect(await verify(tokenOf(shape), tenants[0], ['gateway'])).toMatchObject({ ok: true });
    expect(await verify(tokenOf(shape), tenants[0], ['gateway'])).toMatchObject({ ok: true });
    expect(hits()).toBe(1);
  });

  test('a token that was verified for its own tenant is refused for another one whose keys are known', async () => {
    const at = world();
    const { verify } = verifier(at, true);
    const [own, others] = [tokenOf(shape), tokenOf({ ...shape, tenant: 1 })];
    expect(await verify(own, tenants[0], ['gateway'])).toMatchObject({ ok: true });
    expect(await verify(others, tenants[1], ['gateway'])).toMatchObject({ ok: true });
    expect(await verify(own, tenants[1], ['gateway'])).toMatchObject({ ok: false });
    expect(await verify(others, tenants[0], ['gateway'])).toMatchObject({ ok: false });
  });

  test('a removed key ends its tokens with the hourly refresh, which cache hits begin', async () => {
    const at = world();
    const { verify } = verifier(at, true);
    const long = tokenOf({ ...shape, untilMs: 48 * hour });
    expect(await verify(long, tenants[0], ['gateway'])).toMatchObject({ ok: true });
    at.publish({ down: false, keys: [{ pair: 1, kid: 'k2' }] });
    at.wait(hour - 1);
    expect(await verify(long, tenants[0], ['gateway'])).toMatchObject({ ok: true });
    at.wait(1);
    await verify(long, tenants[0], ['gateway']);
    await at.settle();
    expect(await verify(long, tenants[0], ['gateway'])).toMatchObject({ ok: false, reason: 'unknown-key' });
  });

  test('another key under the same id ends the tokens of the old one', async () => {
    const at = world();
    const { verify } = verifier(at, true);
    const long = tokenOf({ ...shape, untilMs: 48 * hour });
    await verify(long, tenants[0], ['gateway']);
    at.publish({ down: false, keys: [{ pair: 1, kid: 'k1' }] });
    at.wait(hour);
    await verify(long, tenants[0], ['gateway']);
    await at.settle();
    expect(await verify(long, tenants[0], ['gateway'])).toMatchObject({ ok: false, reason: 'signature' });
  });

  test('the oldest entries go first when it is full', () => {
    const published = [{ kid: 'k', kty: 'RSA', n: 'n', e: 'e' }] as const;
    const kept = createVerifiedTokens({ peek: () => published }, 2);
    const claims = {
      tenantId: tenants[0],
      roles: [],
      applicationId: undefined,
      objectId: undefined,
      uniqueId: undefined,
      userName: undefined,
      expiresAtMs: 1,
    };
    const verified = {
      ok: true,
      claims,
      audience: 'a',
      validFromMs: 0,
      validUntilMs: 9,
      algorithm: 'RS256',
      key: published[0],
    } as const;
    const find = (tokenHash: string) =>
      kept.peek({ tokenHash, tenantId: tenants[0], cloud, audiences: ['a'], now: 5 });
    kept.keep('1', cloud, verified);
    kept.keep('2', cloud, verified);
    expect(find('1')).toBe(claims);
    kept.keep('3', cloud, verified);
    expect([find('1'), find('2'), find('3')]).toEqual([undefined, claims, claims]);
  });

  test('with and without the cache every answer is the same, whatever happens to times, keys and audiences', {
    timeout: 60_000,
  }, async () => {
    const shapes = fc.record({
      tenant: fc.constantFrom(0, 1),
      pair: fc.constantFrom(0, 0, 1),
      kid: fc.constantFrom('k1', 'k2'),
      audience: fc.constantFrom('gateway', 'other'),
      fromMs: fc.constantFrom(0, hour),
      untilMs: fc.constantFrom(hour, 2 * hour, 48 * hour),
    });
    const keySets = fc.record({
      down: fc.constantFrom(false, false, false, true),
      keys: fc.uniqueArray(
        fc.record({
          pair: fc.constantFrom(0, 1),
          kid: fc.constantFrom('k1', 'k2'),
          alg: fc.constantFrom('RS256', 'RS256', 'RS512'),
        }),
        { minLength: 1, maxLength: 3, selector: ({ kid, pair }) => `${kid} ${pair}` },
      ),
    });
    const steps = fc.oneof(
      {
        weight: 5,
        arbitrary: fc.record({
          present: shapes,
          path: fc.constantFrom(0, 0, 0, 1),
          audiences: fc.constantFrom(['gateway'], ['gateway', 'other'], ['other']),
        }),
      },
      { weight: 2, arbitrary: fc.constantFrom(1, 59_999, 60_000, 60_001, hour - 1, hour, 12 * hour) },
      { weight: 2, arbitrary: keySets },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(steps, { minLength: 5, maxLength: 30 }), async (history) => {
        const at = world();
        const [withCache, without] = [verifier(at, true), verifier(at, false)];
        for (const step of history) {
          if (typeof step === 'number') at.wait(step);
          else if ('keys' in step) at.publish(step);
          else {
            const asked = [tokenOf(step.present), tenants[step.path] ?? '', step.audiences] as const;
            expect(await withCache.verify(...asked)).toEqual(await without.verify(...asked));
            // A refresh behind the callers' backs ends at some moment; here for both before the next step.
            await at.settle();
            await at.settle();
          }
        }
      }),
      { numRuns: 100 },
    );
  });
});

test('a token was verified for its own tenant, and as long as it is valid', () => {
  const tokens = createVerifiedTokens({ peek: () => undefined }, 10);
  const claims = { tenantId: tenants[0] };
  tokens.keep('digest', cloud, { claims, validUntilMs: start + 1_000 } as Parameters<
    VerifiedTokens['keep']
  >[2]);
  expect(tokens.wasVerified('digest', tenants[0], start)).toBe(true);
  expect(tokens.wasVerified('digest', tenants[1], start)).toBe(false);
  expect(tokens.wasVerified('digest', tenants[0], start + 1_000)).toBe(false);
  expect(tokens.wasVerified('another', tenants[0], start)).toBe(false);
});
