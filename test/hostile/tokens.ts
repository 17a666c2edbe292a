/** Tokens and `Authorization` headers that attack their verification. A row names its attack and what must come of it. */

import { createHmac, type KeyObject, sign } from 'node:crypto';

/** What a forger knows, and the issuer's key for what only the issuer could have made. */
export interface Forge {
  readonly tenantId: string;
  /** Another tenant that is served by the same cloud. */
  readonly otherTenantId: string;
  /** Origin of the issuer. */
  readonly origin: string;
  readonly issuerKey: KeyObject;
  readonly issuerPublicKey: KeyObject;
  readonly strangerKey: KeyObject;
  readonly strangerPublicKey: KeyObject;
  /** Seconds since 1970. */
  readonly now: number;
}

export type TokenOutcome = 'served' | 'unauthenticated' | 'tenant-mismatch' | 'forbidden';

export interface TokenRow {
  readonly attack: string;
  readonly lines: (forge: Forge) => readonly string[];
  readonly outcome: TokenOutcome;
}

type Members = Readonly<Record<string, unknown>>;

export const goodClaims = ({ now, origin, tenantId }: Forge): Members => ({
  aud: 'gateway',
  iss: `${origin}/${tenantId}/v2.0`,
  ver: '2.0',
  tid: tenantId,
  exp: now + 3_600,
  nbf: now - 10,
  roles: ['Device.Read', 'Device.Write'],
});
const goodHeader: Members = { alg: 'RS256', kid: 'k1', typ: 'JWT' };

const encode = (part: Members | string | Buffer): string =>
  (Buffer.isBuffer(part)
    ? part
    : Buffer.from(typeof part === 'string' ? part : JSON.stringify(part))
  ).toString('base64url');

/** Signed as RS256, whatever the header says. */
const signed = (
  header: Members | string | Buffer,
  claims: Members | string | Buffer,
  key: KeyObject,
): string => {
  const data = `${encode(header)}.${encode(claims)}`;
  return `${data}.${sign('sha256', Buffer.from(data), key).toString('base64url')}`;
};
const good = (forge: Forge): string => signed(goodHeader, goodClaims(forge), forge.issuerKey);

type MakeToken = (forge: Forge) => string;
const row = (attack: string, outcome: TokenOutcome, token: MakeToken): TokenRow => ({
  attack,
  outcome,
  lines: (forge) => [`Authorization: Bearer ${token(forge)}`],
});
const refused = (attack: string, token: MakeToken): TokenRow => row(attack, 'unauthenticated', token);
/** The issuer's own token with other claims. */
const claiming = (attack: string, outcome: TokenOutcome, claims: (forge: Forge) => Members): TokenRow =>
  row(attack, outcome, (forge) =>
    signed(goodHeader, { ...goodClaims(forge), ...claims(forge) }, forge.issuerKey),
  );
/** The issuer's own token with another header. */
const headed = (attack: string, outcome: TokenOutcome, header: Members): TokenRow =>
  row(attack, outcome, (forge) => signed({ ...goodHeader, ...header }, goodClaims(forge), forge.issuerKey));
const header = (attack: string, lines: (forge: Forge) => readonly string[]): TokenRow => ({
  attack,
  outcome: 'unauthenticated',
  lines,
});

const hmac = (forge: Forge, alg: string, key: string | Buffer): string => {
  const data = `${encode({ ...goodHeader, alg })}.${encode(goodClaims(forge))}`;
  return `${data}.${createHmac(`sha${alg.slice(2)}`, key)
    .update(data)
    .digest('base64url')}`;
};
const publicPem = (forge: Forge, type: 'pkcs1' | 'spki'): string =>
  forge.issuerPublicKey.export({ type, format: 'pem' }).toString();

const algorithmRows: readonly TokenRow[] = [
  ...['none', 'None', 'NONE', 'nOnE', ''].flatMap((alg) => [
    refused(
      `alg '${alg}' without a signature`,
      (forge) => `${encode({ ...goodHeader, alg })}.${encode(goodClaims(forge))}.`,
    ),
    headed(`alg '${alg}' with a good signature`, 'unauthenticated', { alg }),
  ]),
  ...(['spki', 'pkcs1'] as const).map((type) =>
    refused(`HS256 with the public key in ${type}`, (forge) => hmac(forge, 'HS256', publicPem(forge, type))),
  ),
  refused('HS512 with the public key', (forge) => hmac(forge, 'HS512', publicPem(forge, 'spki'))),
  refused('HS256 with an empty key', (forge) => hmac(forge, 'HS256', '')),
  headed('rs256 in lower case', 'unauthenticated', { alg: 'rs256' }),
  headed('an algorithm with a space', 'unauthenticated', { alg: 'RS256 ' }),
  headed('a list of algorithms', 'unauthenticated', { alg: ['RS256'] }),
  headed('ES256 for an RSA key', 'unauthenticated', { alg: 'ES256' }),
  headed('PS256 said, RS256 signed', 'unauthenticated', { alg: 'PS256' }),
  headed('RS512 said, RS256 signed', 'unauthenticated', { alg: 'RS512' }),
  headed('EdDSA', 'unauthenticated', { alg: 'EdDSA' }),
  headed('an encrypted token’s algorithm', 'unauthenticated', { alg: 'RSA-OAEP', enc: 'A256GCM' }),
];

const keyRows: readonly TokenRow[] = [
  refused('a stranger’s signature', (forge) => signed(goodHeader, goodClaims(forge), forge.strangerKey)),
  refused('a stranger’s key in jwk', (forge) =>
    signed(
      { ...goodHeader, jwk: forge.strangerPublicKey.export({ format: 'jwk' }) },
      goodClaims(forge),
      forge.strangerKey,
    ),
  ),
  ...['jku', 'x5u', 'jwks_uri'].map((name) =>
    refused(`a stranger’s keys at ${name}`, (forge) =>
      signed(
        { ...goodHeader, [name]: 'https://attacker.example/keys' },
        goodClaims(forge),
        forge.strangerKey,
      ),
    ),
  ),
  refused('a stranger’s certificate in x5c', (forge) =>
    signed({ ...goodHeader, x5c: ['MIIB'] }, goodClaims(forge), forge.strangerKey),
  ),
  ...[
    '../../../../dev/null',
    "k1' or '1'='1",
    'k1\u0000',
    ' k1',
    'K1',
    '__proto__',
    'constructor',
    'https://attacker.example/key',
    'k'.repeat(257),
    '',
  ].map((kid) => headed(`kid ${JSON.stringify(kid).slice(0, 40)}`, 'unauthenticated', { kid })),
  headed('kid as a list', 'unauthenticated', { kid: ['k1'] }),
  headed('kid as a number', 'unauthenticated', { kid: 1 }),
  headed('no kid', 'unauthenticated', { kid: undefined }),
  headed('crit', 'unauthenticated', { crit: ['exp'] }),
  headed('crit of nothing', 'unauthenticated', { crit: [] }),
  headed('b64 false', 'unauthenticated', { b64: false }),
];

const formRows: readonly TokenRow[] = [
  refused('an alg said twice', (forge) =>
    signed('{"alg":"none","kid":"k1","alg":"RS256"}', goodClaims(forge), forge.issuerKey),
  ),
  refused('a claim said twice', (forge) =>
    signed(
      goodHeader,
      JSON.stringify(goodClaims(forge)).replace('{', '{"roles":["Device.Read"],'),
      forge.issuerKey,
    ),
  ),
  refused('a claim said twice, hidden by an escape', (forge) =>
    signed(goodHeader, JSON.stringify(goodClaims(forge)).replace('{', '{"\\u0074id":"x",'), forge.issuerKey),
  ),
  refused('claims that are a list', (forge) => signed(goodHeader, '[]', forge.issuerKey)),
  refused('claims with a byte order mark', (forge) =>
    signed(goodHeader, `\uFEFF${JSON.stringify(goodClaims(forge))}`, forge.issuerKey),
  ),
  refused('claims that are no UTF-8', (forge) =>
    signed(
      goodHeader,
      Buffer.from(`{"a":"\xff",${JSON.stringify(goodClaims(forge)).slice(1)}`, 'latin1'),
      forge.issuerKey,
    ),
  ),
  refused('padding behind the signature', (forge) => `${good(forge)}==`),
  refused('a signature in standard base64', (forge) => {
    const [one, two, three = ''] = good(forge).split('.');
    return `${one}.${two}.${Buffer.from(three, 'base64url').toString('base64')}`;
  }),
  refused('bits that base64url leaves unused', (forge) => {
    const token = good(forge);
    const last = token.at(-1) ?? '';
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
    return token.slice(0, -1) + alphabet[alphabet.indexOf(last) ^ 1];
  }),
  refused('a part more', (forge) => `${good(forge)}.e30`),
  refused('two parts', (forge) => good(forge).split('.').slice(0, 2).join('.')),
  refused('an empty signature', (forge) => `${good(forge).split('.').slice(0, 2).join('.')}.`),
  refused('only dots', () => '..'),
  refused('a signature of zeros', (forge) => {
    const zeros = Buffer.alloc(256).toString('base64url');
    return `${good(forge).split('.').slice(0, 2).join('.')}.${zeros}`;
  }),
  refused('a signature that is cut', (forge) => good(forge).slice(0, -8)),
  refused('the claims of another token', (forge) => {
    const [one, , three] = good(forge).split('.');
    return `${one}.${encode({ ...goodClaims(forge), roles: ['Device.Admin'] })}.${three}`;
  }),
  refused('8 KiB and one byte', (forge) => {
    const fill = (length: number): string =>
      signed(goodHeader, { ...goodClaims(forge), x: 'x'.repeat(length) }, forge.issuerKey);
    let length = 5_000;
    while (fill(length).length < 8_193) length += 1;
    return fill(length);
  }),
  row('just below 8 KiB', 'served', (forge) =>
    signed(goodHeader, { ...goodClaims(forge), x: 'x'.repeat(5_200) }, forge.issuerKey),
  ),
  row('another typ, as Entra may write it', 'served', (forge) =>
    signed({ ...goodHeader, typ: 'at+jwt' }, goodClaims(forge), forge.issuerKey),
  ),
];

const claimRows: readonly TokenRow[] = [
  claiming('expired at the end of the leeway', 'unauthenticated', ({ now }) => ({ exp: now - 61 })),
  claiming('expired within the leeway', 'served', ({ now }) => ({ exp: now - 30 })),
  claiming('not valid yet, beyond the leeway', 'unauthenticated', ({ now }) => ({ nbf: now + 90 })),
  claiming('not valid yet, within the leeway', 'served', ({ now }) => ({ nbf: now + 30 })),
  claiming('no exp', 'unauthenticated', () => ({ exp: undefined })),
  claiming('exp as text', 'unauthenticated', ({ now }) => ({ exp: String(now + 60) })),
  claiming('exp null', 'unauthenticated', () => ({ exp: null })),
  claiming('exp as a list', 'unauthenticated', ({ now }) => ({ exp: [now + 60] })),
  claiming('nbf as text', 'unauthenticated', () => ({ nbf: '0' })),
  refused('exp beyond all numbers', (forge) =>
    signed(
      goodHeader,
      JSON.stringify(goodClaims(forge)).replace(/"exp":\d+/, '"exp":1e999'),
      forge.issuerKey,
    ),
  ),
  claiming('exp in milliseconds, for a person of patience', 'served', ({ now }) => ({ exp: now * 1_000 })),
  claiming('an audience more', 'unauthenticated', () => ({ aud: ['gateway', 'other'] })),
  claiming('no audience', 'unauthenticated', () => ({ aud: undefined })),
  claiming('an empty list of audiences', 'unauthenticated', () => ({ aud: [] })),
  claiming('an audience in capitals', 'unauthenticated', () => ({ aud: 'GATEWAY' })),
  claiming('an audience that begins alike', 'unauthenticated', () => ({ aud: 'gateway2' })),
  claiming('an audience as an object', 'unauthenticated', () => ({ aud: { gateway: true } })),
  claiming('one audience in a list', 'served', () => ({ aud: ['gateway'] })),
  claiming('an issuer that begins alike', 'unauthenticated', ({ origin, tenantId }) => ({
    iss: `${origin}/${tenantId}/v2.0.attacker.example`,
  })),
  claiming('an issuer with a slash more', 'unauthenticated', ({ origin, tenantId }) => ({
    iss: `${origin}/${tenantId}/v2.0/`,
  })),
  claiming('an issuer with user information', 'unauthenticated', ({ origin, tenantId }) => ({
    iss: `${origin}@attacker.example/${tenantId}/v2.0`,
  })),
  claiming('an issuer in capitals', 'unauthenticated', ({ origin, tenantId }) => ({
    iss: `${origin}/${tenantId}/v2.0`.toUpperCase(),
  })),
  claiming('an issuer template', 'unauthenticated', ({ origin }) => ({ iss: `${origin}/{tenantid}/v2.0` })),
  claiming('an issuer in a list', 'unauthenticated', ({ origin, tenantId }) => ({
    iss: [`${origin}/${tenantId}/v2.0`],
  })),
  claiming('the issuer of v1 without its version', 'unauthenticated', ({ tenantId }) => ({
    iss: `https://sts.windows.net/${tenantId}/`,
  })),
  claiming('a version as a number', 'unauthenticated', () => ({ ver: 2 })),
  claiming('no version', 'unauthenticated', () => ({ ver: undefined })),
  claiming('tid in capitals', 'unauthenticated', ({ tenantId }) => ({ tid: tenantId.toUpperCase() })),
  claiming('tid and issuer in capitals', 'unauthenticated', ({ origin, tenantId }) => ({
    tid: tenantId.toUpperCase(),
    iss: `${origin}/${tenantId.toUpperCase()}/v2.0`,
  })),
  claiming('tid unlike the issuer', 'unauthenticated', ({ otherTenantId }) => ({ tid: otherTenantId })),
  claiming('issuer unlike tid', 'unauthenticated', ({ origin, otherTenantId }) => ({
    iss: `${origin}/${otherTenantId}/v2.0`,
  })),
  claiming('no tid', 'unauthenticated', () => ({ tid: undefined })),
  claiming('tid with a path', 'unauthenticated', ({ origin, tenantId }) => ({
    tid: `x/../${tenantId}`,
    iss: `${origin}/x/../${tenantId}/v2.0`,
  })),
  claiming('a genuine token of another tenant', 'tenant-mismatch', ({ origin, otherTenantId }) => ({
    tid: otherTenantId,
    iss: `${origin}/${otherTenantId}/v2.0`,
  })),
  claiming('a genuine token of a tenant that is not stored', 'unauthenticated', ({ origin }) => {
    const unknown = '99999999-1111-4222-8333-bbbbbbbbbbbb';
    return { tid: unknown, iss: `${origin}/${unknown}/v2.0` };
  }),
  claiming('roles as text', 'forbidden', () => ({ roles: 'Device.Read' })),
  claiming('roles as an object', 'forbidden', () => ({ roles: { 'Device.Read': true } })),
  claiming('roles in a list of lists', 'forbidden', () => ({ roles: [['Device.Read']] })),
  claiming('roles joined by a space', 'forbidden', () => ({ roles: ['Device.Read Device.Write'] })),
  claiming('a role in capitals', 'forbidden', () => ({ roles: ['DEVICE.READ'] })),
  claiming('a role that begins alike', 'forbidden', () => ({ roles: ['Device.ReadAll'] })),
  claiming('the role to write, to read', 'forbidden', () => ({ roles: ['Device.Write'] })),
  claiming('the role as a delegated scope', 'forbidden', () => ({ roles: undefined, scp: 'Device.Read' })),
  refused('roles of the prototype', (forge) =>
    signed(
      goodHeader,
      JSON.stringify({ ...goodClaims(forge), roles: undefined }).replace(
        '{',
        '{"__proto__":{"roles":["Device.Read"]},"__proto__":{},',
      ),
      forge.issuerKey,
    ),
  ),
];

const headerRows: readonly TokenRow[] = [
  header('no Authorization', () => []),
  header('two tokens in two headers', (forge) => [
    `Authorization: Bearer ${good(forge)}`,
    `Authorization: Bearer ${good(forge)}`,
  ]),
  header('two headers, differing in case', (forge) => [
    `Authorization: Bearer ${good(forge)}`,
    'AUTHORIZATION: Bearer x',
  ]),
  header('two tokens in one header', (forge) => [
    `Authorization: Bearer ${good(forge)}, Bearer ${good(forge)}`,
  ]),
  header('a second, empty header', (forge) => [`Authorization: Bearer ${good(forge)}`, 'Authorization:']),
  header('Basic', (forge) => [`Authorization: Basic ${good(forge)}`]),
  header('no scheme', (forge) => [`Authorization: ${good(forge)}`]),
  header('two spaces', (forge) => [`Authorization: Bearer  ${good(forge)}`]),
  header('a tab', (forge) => [`Authorization: Bearer\t${good(forge)}`]),
  header('a parameter', (forge) => [`Authorization: Bearer ${good(forge)} realm=x`]),
  header('in another header', (forge) => [`X-Authorization: Bearer ${good(forge)}`]),
  header('in Proxy-Authorization', (forge) => [`Proxy-Authorization: Bearer ${good(forge)}`]),
  header('in a cookie', (forge) => [`Cookie: access_token=${good(forge)}`]),
];

export const tokenRows: readonly TokenRow[] = [
  row('a good token', 'served', good),
  ...algorithmRows,
  ...keyRows,
  ...formRows,
  ...claimRows,
  ...headerRows,
];
