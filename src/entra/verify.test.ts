import { generateKeyPairSync, type KeyObject, sign as nodeSign } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { decodeBase64url, encodeBase64url } from './base64url.ts';
import { builtInClouds, type Cloud } from './clouds.ts';
import type { KeyLookup } from './keys.ts';
import { parseVerificationKey, type VerificationKey } from './rsa-key.ts';
import { createWebCryptoSignatureCheck } from './signature.ts';
import { parseStrictObject } from './strict-json.ts';
import { type VerifyInput, verifyCallerToken } from './verify.ts';

const tenantId = 'aaaaaaaa-1111-4222-8333-bbbbbbbbbbbb';
const otherTenantId = 'cccccccc-1111-4222-8333-dddddddddddd';
const now = Date.parse('2026-11-23T00:00:00Z');
const seconds = now / 1000;
const cloud: Cloud = {
  ...(builtInClouds.get('public') ?? ({} as Cloud)),
  issuer: 'https://login.example.test/{tenantid}/v2.0',
  issuerV1: 'https://sts.example.test/{tenantid}/',
};
const pair = generateKeyPairSync('rsa', { modulusLength: 2048 });
const stranger = generateKeyPairSync('rsa', { modulusLength: 2048 });
const publicKey = (more: object = {}): VerificationKey => {
  const key = parseVerificationKey({ ...pair.publicKey.export({ format: 'jwk' }), kid: 'k1', ...more });
  if (key === undefined) throw new Error('the key is refused');
  return key;
};

const claims = {
  aud: 'gateway',
  iss: `https://login.example.test/${tenantId}/v2.0`,
  ver: '2.0',
  tid: tenantId,
  exp: seconds + 3600,
  nbf: seconds - 10,
  iat: seconds - 10,
  roles: ['Device.Read'],
  azp: 'app',
  oid: 'object',
  uti: 'unique',
};
const text = (value: unknown): string =>
  encodeBase64url(new TextEncoder().encode(typeof value === 'string' ? value : JSON.stringify(value)));

function signed(header: unknown, payload: unknown, key: KeyObject = pair.privateKey): string {
  const data = `${text(header)}.${text(payload)}`;
  const alg = /"alg":"([RP]S\d+)"/.exec(JSON.stringify(header).replaceAll('\\', ''))?.[1] ?? 'RS256';
  const bits = Number(alg.slice(2));
  const options = alg.startsWith('P') ? { key, padding: 6, saltLength: bits / 8 } : { key };
  return `${data}.${encodeBase64url(nodeSign(`sha${bits}`, Buffer.from(data), options))}`;
}
const token = (payload: object = {}, header: object = {}, key?: KeyObject): string =>
  signed({ alg: 'RS256', typ: 'JWT', kid: 'k1', ...header }, { ...claims, ...payload }, key);

const lookUp = (lookup: KeyLookup = { ok: true, keys: [publicKey()] }) => ({ find: async () => lookup });
const verify = (presented: string, more: Partial<VerifyInput> = {}) =>
  verifyCallerToken({
    token: presented,
    tenantId,
    cloud,
    audiences: ['gateway', 'api://gateway'],
    now,
    keys: lookUp(),
    signature: createWebCryptoSignatureCheck(),
    ...more,
  });
const reason = async (presented: string, more: Partial<VerifyInput> = {}): Promise<string> => {
  const result = await verify(presented, more);
  return result.ok ? 'ok' : result.reason;
};

describe('accepted', () => {
  test.each(['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'])('%s', async (alg) => {
    expect(await verify(token({}, { alg }))).toEqual({
      ok: true,
      claims: {
        tenantId,
        roles: ['Device.Read'],
        applicationId: 'app',
        objectId: 'object',
        uniqueId: 'unique',
        userName: undefined,
        issuedAtMs: (seconds - 10) * 1000,
        expiresAtMs: (seconds + 3600) * 1000,
      },
    });
  });

  test('a v1 token', async () => {
    const v1 = { ver: '1.0', iss: `https://sts.example.test/${tenantId}/`, appid: 'app1', azp: undefined };
    expect(await verify(token(v1))).toMatchObject({ ok: true, claims: { applicationId: 'app1' } });
  });

  test('leeway, one audience in an array, another listed audience, no roles, upper case in the path', async () => {
    expect(await reason(token({ exp: seconds - 59 }))).toBe('ok');
    expect(await reason(token({ nbf: seconds + 60 }))).toBe('ok');
    expect(await reason(token({ aud: ['gateway'] }))).toBe('ok');
    expect(await reason(token({ aud: 'api://gateway' }))).toBe('ok');
    expect(await verify(token({ roles: undefined }))).toMatchObject({ claims: { roles: [] } });
    expect(await reason(token(), { tenantId: tenantId.toUpperCase() })).toBe('ok');
    expect(await reason(token(), { tenantId: [otherTenantId, tenantId] })).toBe('ok');
  });

  test('a key for this issuer, by template or in full', async () => {
    for (const issuer of ['https://login.example.test/{tenantid}/v2.0', claims.iss]) {
      const keys = lookUp({ ok: true, keys: [publicKey({ issuer })] });
      expect(await reason(token(), { keys })).toBe('ok');
    }
  });
});

describe('refused', () => {
  test.each([
    ['issuer of another version', { ver: '1.0' }, 'issuer'],
    ['no version', { ver: undefined }, 'issuer'],
    ['issuer of another tenant', { tid: otherTenantId }, 'issuer'],
    ['issuer with a slash more', { iss: `${claims.iss}/` }, 'issuer'],
    ['tid in capitals', { tid: tenantId.toUpperCase() }, 'issuer'],
    ['tid no GUID', { tid: '..', iss: 'https://login.example.test/../v2.0' }, 'issuer'],
    ['no tid', { tid: undefined }, 'issuer'],
    ['another audience', { aud: 'other' }, 'audience'],
    ['two audiences', { aud: ['gateway', 'other'] }, 'audience'],
    ['no audience', { aud: undefined }, 'audience'],
    ['expired', { exp: seconds - 60 }, 'expired'],
    ['not yet valid', { nbf: seconds + 61 }, 'not-yet-valid'],
    ['no exp', { exp: undefined }, 'malformed'],
    ['exp as text', { exp: String(seconds + 60) }, 'malformed'],
    ['nbf as text', { nbf: '0' }, 'malformed'],
  ])('%s', async (_name, payload, expected) => {
    expect(await reason(token(payload))).toBe(expected);
  });

  test.each([
    ['none', { alg: 'none' }, 'algorithm'],
    ['HS256', { alg: 'HS256' }, 'algorithm'],
    ['ES256', { alg: 'ES256' }, 'algorithm'],
    ['rs256', { alg: 'rs256' }, 'algorithm'],
    ['no alg', { alg: undefined }, 'algorithm'],
    ['no kid', { kid: undefined }, 'malformed'],
    ['empty kid', { kid: '' }, 'malformed'],
    ['kid a number', { kid: 1 }, 'malformed'],
    ['crit', { crit: ['exp'] }, 'malformed'],
    ['b64', { b64: false }, 'malformed'],
  ])('header: %s', async (_name, header, expected) => {
    expect(await reason(token({}, header))).toBe(expected);
  });

  test('forms', async () => {
    const good = token();
    const [header, payload, signature] = good.split('.');
    for (const bad of [
      '',
      '.',
      '..',
      'a.b',
      good.slice(0, good.lastIndexOf('.') + 1),
      `${good}.x`,
      `${good}=`,
    ]) {
      expect(await reason(bad)).toBe('malformed');
    }
    expect(await reason(` ${good}`)).toBe('malformed');
    expect(await reason(`${header}.${payload}.${signature}\n`)).toBe('malformed');
    expect(await reason(`${text('[]')}.${payload}.${signature}`)).toBe('malformed');
    expect(await reason(`${text('{"alg":"RS256"')}.${payload}.${signature}`)).toBe('malformed');
    expect(await reason('a'.repeat(8193))).toBe('too-large');
  });

  test('a member twice, also when an escape hides it', async () => {
    const header = '{"alg":"RS256","kid":"k1","alg":"RS256"}';
    expect(await reason(signed(header, claims))).toBe('malformed');
    const payload = JSON.stringify(claims).replace('}', ',"\\u0074id":"x"}');
    expect(await reason(signed({ alg: 'RS256', kid: 'k1' }, payload))).toBe('malformed');
  });

  test('another signer, a changed payload, a cut signature', async () => {
    expect(await reason(token({}, {}, stranger.privateKey))).toBe('signature');
    const [header, , signature] = token().split('.');
    expect(await reason(`${header}.${text({ ...claims, roles: ['Device.Write'] })}.${signature}`)).toBe(
      'signature',
    );
    const cut = decodeBase64url(signature ?? '')?.subarray(1) ?? Uint8Array.of();
    expect(await reason(token().replace(signature ?? '', encodeBase64url(cut)))).toBe('signature');
    const pss = token({}, { alg: 'PS256' }).split('.');
    const pkcs1 = token().split('.');
    expect(await reason(`${pkcs1[0]}.${pss[1]}.${pss[2]}`)).toBe('signature');
  });

  test('keys: unknown, away, for another issuer, for another algorithm', async () => {
    expect(await reason(token(), { keys: lookUp({ ok: false, failure: 'unknown' }) })).toBe('unknown-key');
    expect(await reason(token(), { keys: lookUp({ ok: false, failure: 'unavailable' }) })).toBe(
      'keys-unavailable',
    );
    const consumer = 'https://login.example.test/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0';
    for (const more of [{ issuer: consumer }, { alg: 'PS256' }]) {
      expect(await reason(token(), { keys: lookUp({ ok: true, keys: [publicKey(more)] }) })).toBe(
        'unknown-key',
      );
    }
  });
});

describe('the tenant', () => {
  const foreign = { tid: otherTenantId, iss: `https://login.example.test/${otherTenantId}/v2.0` };

  const stored = { storedTenantId: otherTenantId };

  test('a genuine token of another stored tenant is told so, by that tenant’s keys', async () => {
    const asked: unknown[] = [];
    const keys: VerifyInput['keys'] = {
      find: async ({ tenantId: of }) => {
        asked.push(of);
        return { ok: true, keys: [publicKey()] };
      },
    };
    expect(await reason(token(foreign), { keys, ...stored })).toBe('tenant-mismatch');
    expect(asked).toEqual([otherTenantId]);
  });

  test('the keys of a tenant that only the token names are never asked for', async () => {
    const keys: VerifyInput['keys'] = {
      find: () => {
        throw new Error('asked');
      },
    };
    expect(await reason(token(foreign), { keys })).toBe('unknown-tenant');
    expect(await reason(token(foreign), { keys, storedTenantId: tenantId })).toBe('unknown-tenant');
  });

  test('a forged one learns nothing', async () => {
    expect(await reason(token(foreign, {}, stranger.privateKey), stored)).toBe('signature');
    expect(await reason(token({ ...foreign, aud: 'other' }), stored)).toBe('audience');
    expect(await reason(token({ ...foreign, exp: seconds - 61 }), stored)).toBe('expired');
  });
});

describe('base64url and JSON', () => {
  test.each(['AA==', 'A', 'AB', 'AAB', 'A+', 'A/', 'AA\n', 'Ä'])('not canonical: %j', (bad) => {
    expect(decodeBase64url(bad)).toBeUndefined();
  });

  test('round trip', () => {
    for (let length = 0; length < 70; length += 1) {
      const bytes = Uint8Array.from({ length }, (_, index) => (index * 37 + length) % 256);
      expect(decodeBase64url(encodeBase64url(bytes))).toEqual(bytes);
    }
  });

  test('strict objects', () => {
    const parse = (json: string) => parseStrictObject(new TextEncoder().encode(json));
    expect(parse('{"a":[{"b":1},{"b":2}],"c":{"a":"\\",{\\"a\\":"}}')).toBeDefined();
    for (const bad of ['{"a":1,"a":1}', '{"x":[{"b":1,"b":2}]}', '[]', 'null', '1', '', '{}x', '\uFEFF{}']) {
      expect(parse(bad)).toBeUndefined();
    }
    expect(parseStrictObject(Uint8Array.of(0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d))).toBeUndefined();
  });
});
