import { describe, expect, it } from 'vitest';
import { dayMs } from '../../clock.ts';
import type { Probe, ProbedTls } from '../../outbound/node-probe.ts';
import { parseProxyRange } from '../../runtime/balancer/trusted-proxies.ts';
import { type CredentialFacts, judgeCredential, judgeListener, judgeNext } from './judge-credential.ts';
import { judgeCompliance, judgePrivileges, judgeSecret, judgeVersion } from './judge-instance.ts';
import {
  judgeDatabase,
  judgeDataDir,
  judgeGateway,
  judgeMigrations,
  judgeNode,
  judgeSecrets,
  judgeSnapshot,
  type SnapshotFacts,
} from './judge-machine.ts';
import { judgeClock, judgeProbe } from './judge-network.ts';
import { type BalancerFacts, judgeBalancer, judgeOutgoing } from './judge-proxies.ts';
import {
  judgeConnection,
  judgeDiscovery,
  judgeLicences,
  judgePermissions,
  judgeToken,
} from './judge-tenant.ts';
import type { Line } from './line.ts';

const nowMs = Date.parse('2026-11-26T12:00:00Z');
const short = (line: Line | undefined): string =>
  line?.owner === undefined ? String(line?.status) : `${line.status} ${line.owner}`;

const leaf = {
  subject: 'host.example',
  issuer: 'Example CA',
  validFromMs: nowMs - dayMs,
  validToMs: nowMs + 90 * dayMs,
};
const root = {
  subject: 'Example CA',
  issuer: 'Example CA',
  validFromMs: nowMs - 900 * dayMs,
  validToMs: nowMs + 900 * dayMs,
};
const goodTls: ProbedTls = {
  protocol: 'TLSv1.3',
  chain: [leaf, root],
  names: ['host.example'],
  fitsHost: true,
  ownAuthority: false,
};
const probeWith = (tls: Partial<ProbedTls>): Probe => ({
  name: { ok: true, addresses: [{ address: '203.0.113.9', permitted: true }] },
  port: { ok: true, address: '203.0.113.9', milliseconds: 12 },
  tls: { ok: true, ...goodTls, ...tls },
});
const tlsLine = (tls: Partial<ProbedTls>, kind: Parameters<typeof judgeProbe>[1] = 'instance') =>
  judgeProbe('host.example:443', kind, probeWith(tls), nowMs)[2];

describe('a host', () => {
  it('has a line for each step that was reached', () => {
    const { name, port } = probeWith({});
    expect(judgeProbe('h', 'instance', probeWith({}), nowMs).map(({ status }) => status)).toEqual([
      'ok',
      'ok',
      'ok',
    ]);
    expect(
      judgeProbe('h', 'instance', { name, port: { ok: false, code: 'ECONNREFUSED' } }, nowMs),
    ).toHaveLength(2);
    expect(judgeProbe('h', 'instance', { name, ...(port ? { port } : {}) }, nowMs)).toHaveLength(2);
    expect(judgeProbe('h', 'instance', { name: { ok: false, code: 'ENOTFOUND' } }, nowMs)).toHaveLength(1);
  });

  it.each([
    [{}, 'ok'],
    [{ chain: [{ ...leaf, validToMs: nowMs + 31 * dayMs }] }, 'ok'],
    [{ chain: [{ ...leaf, validToMs: nowMs + 29 * dayMs }] }, 'warn instance'],
    [{ chain: [{ ...leaf, validToMs: nowMs }] }, 'fail instance'],
    // An authority that ends takes its certificates with it.
    [{ chain: [leaf, { ...root, validToMs: nowMs - 1 }] }, 'fail instance'],
    [{ chain: [{ ...leaf, validFromMs: nowMs + 1 }] }, 'fail instance'],
    [{ fitsHost: false }, 'fail instance'],
    [{ refusal: 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY' }, 'fail instance'],
    [{ refusal: 'CERT_REVOKED' }, 'fail instance'],
  ] as const)('with the certificate %j is %s', (tls, expected) => {
    expect(short(tlsLine(tls))).toBe(expected);
  });

  it('of Microsoft with a strange authority is being looked into, and trusting that is not the first remedy', () => {
    const line = tlsLine({ refusal: 'SELF_SIGNED_CERT_IN_CHAIN' }, 'microsoft');
    expect(line?.remedy).toMatch(/does not support.*NODE_EXTRA_CA_CERTS/);
    expect(short(line)).toBe('fail configuration');
  });

  it('of our own with a certificate of our own fails outside and warns on the machine itself', () => {
    expect(tlsLine({ refusal: 'DEPTH_ZERO_SELF_SIGNED_CERT' }, 'public')?.status).toBe('fail');
    expect(tlsLine({ refusal: 'DEPTH_ZERO_SELF_SIGNED_CERT' }, 'public-local')?.status).toBe('warn');
  });

  it('names a protocol that is too old', () => {
    const tls = { ok: false, code: 'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION' } as const;
    expect(judgeProbe('h', 'instance', { ...probeWith({}), tls }, nowMs)[2]).toMatchObject({
      status: 'fail',
      found: expect.stringContaining('no TLS 1.2'),
    });
  });

  it.each([
    ['instance', [false], 'fail configuration'],
    ['instance', [true, false], 'warn configuration'],
    ['instance', [true, true], 'ok'],
    ['public', [false], 'warn configuration'],
    ['public-local', [false], 'warn configuration'],
  ] as const)('of kind %s whose addresses are permitted %j is %s', (kind, permitted, expected) => {
    const addresses = permitted.map((one, at) => ({ address: `10.0.0.${at}`, permitted: one }));
    expect(short(judgeProbe('h', kind, { name: { ok: true, addresses } }, nowMs)[0])).toBe(expected);
  });
});

describe('a clock', () => {
  it.each([
    [0, 'ok'],
    [30_000, 'ok'],
    [-30_000, 'ok'],
    [30_001, 'warn configuration'],
    [-300_000, 'warn configuration'],
    [300_001, 'fail configuration'],
    [-300_001, 'fail configuration'],
    [undefined, 'warn configuration'],
  ])('that is %s ms off is %s', (skew, expected) => {
    expect(short(judgeClock('h', skew))).toBe(expected);
  });

  it('says which way it is off', () => {
    expect(judgeClock('h', 90_000).found).toContain('behind');
    expect(judgeClock('h', -90_000).found).toContain('ahead');
  });
});

describe('credentials', () => {
  const certificate = (days: number, more: object = {}): CredentialFacts => ({
    kind: 'certificate',
    file: 'connector.crt',
    subject: 'CN=connector',
    validToMs: nowMs + days * dayMs,
    keyFile: 'connector.key',
    keyIsOpen: false,
    ...more,
  });

  it.each([
    [certificate(31), 'ok'],
    [certificate(29), 'warn configuration'],
    [certificate(0), 'fail configuration'],
    [certificate(90, { keyIsOpen: true }), 'warn configuration'],
    [{ kind: 'secret', variable: 'ESPALIER_ENTRA_CLIENT_SECRET' } as const, 'warn configuration'],
    [{ kind: 'unreadable', file: 'x', code: 'EACCES' } as const, 'fail configuration'],
  ])('%j is %s', (facts, expected) => {
    expect(short(judgeCredential('connector', facts, nowMs))).toBe(expected);
  });

  it.each([
    [certificate(90), undefined, 'ok'],
    [certificate(10), undefined, 'warn configuration'],
    [certificate(10), certificate(100), 'ok'],
    [certificate(100), certificate(10), 'warn configuration'],
    [certificate(10), { kind: 'secret', variable: 'X' } as const, 'ok'],
  ])('the next of %j, %j, is %s', (first, next, expected) => {
    expect(short(judgeNext('connector', first, next, nowMs))).toBe(expected);
  });

  const pair = { file: 'a', keyFile: 'b', validToMs: nowMs + 90 * dayMs, keyIsOpen: false };
  const listener = { ...pair, development: false, fitsPublicUrl: true, keyFits: true };
  it.each([
    [listener, 'ok'],
    ['off', 'ok'],
    ['absent', 'warn configuration'],
    [{ ...listener, keyFits: false }, 'fail configuration'],
    [{ ...listener, validToMs: nowMs }, 'fail configuration'],
    [{ ...listener, validToMs: nowMs + dayMs }, 'warn configuration'],
    [{ ...listener, development: true }, 'warn configuration'],
    [{ ...listener, fitsPublicUrl: false }, 'warn configuration'],
    [{ ...listener, keyIsOpen: true }, 'warn configuration'],
  ] as const)('a listener with %j is %s', (facts, expected) => {
    expect(short(judgeListener(facts, nowMs))).toBe(expected);
  });
});

const snapshot = (facts: Partial<SnapshotFacts>) =>
  judgeSnapshot({
    ...{
      path: '.espalier/snapshot',
      found: { ageSeconds: 30 },
      maxAgeSeconds: 86_400,
      isDatabaseThere: true,
    },
    ...facts,
  });

describe('this machine', () => {
  it.each([
    [judgeNode('v24.0.0'), 'ok'],
    [judgeNode('v26.1.0'), 'ok'],
    [judgeNode('v25.9.0'), 'warn espalier'],
    [judgeNode('v28.0.0'), 'warn espalier'],
    [judgeNode('v22.9.0'), 'fail espalier'],
    [judgeDatabase({ state: 'there', where: 'db', version: 150004 }), 'ok'],
    [judgeDatabase({ state: 'there', where: 'db', version: 140011 }), 'fail configuration'],
    [judgeDatabase({ state: 'away', where: 'db', code: 'ECONNREFUSED' }), 'fail configuration'],
    [judgeDatabase({ state: 'absent', where: 'db' }), 'warn espalier'],
    [snapshot({}), 'ok'],
    [snapshot({ found: 'embedded' }), 'ok'],
    [snapshot({ found: { ageSeconds: 900 } }), 'warn espalier'],
    [snapshot({ found: { ageSeconds: 900 }, isDatabaseThere: false }), 'ok'],
    [snapshot({ found: { cause: 'absent' } }), 'warn espalier'],
    [snapshot({ found: { cause: 'too-old' }, isDatabaseThere: false }), 'fail espalier'],
    [judgeMigrations(5, 5, 'auto'), 'ok'],
    [judgeMigrations(4, 5, 'auto'), 'warn espalier'],
    [judgeMigrations(4, 5, 'off'), 'fail espalier'],
    [judgeMigrations(6, 5, 'auto'), 'warn espalier'],
    [judgeGateway(undefined, []), 'warn espalier'],
    [judgeGateway(3, ['host:1']), 'ok'],
    [judgeGateway(900, []), 'fail espalier'],
  ])('%# %j is %s', (line, expected) => {
    expect(short(line)).toBe(expected);
  });

  const dir = { path: '.espalier', exists: true, writable: true, mode: 0o40711, openFiles: [] };
  it.each([
    [dir, 'ok'],
    [{ ...dir, mode: undefined }, 'ok'],
    [{ ...dir, mode: 0o40777 }, 'fail espalier'],
    [{ ...dir, writable: false }, 'fail espalier'],
    [{ ...dir, openFiles: ['.espalier/secrets-key'] }, 'fail espalier'],
    [{ ...dir, exists: false }, 'warn espalier'],
  ])('with the data directory %j is %s', (facts, expected) => {
    expect(short(judgeDataDir(facts))).toBe(expected);
  });

  it('says which keys are still needed', () => {
    const lines = (byKey: Record<string, number>, keyIds: string[], unopened: string[] = []) =>
      judgeSecrets({
        byKey: new Map(Object.entries(byKey)),
        counts: { current: byKey[keyIds[0] ?? ''] ?? 0, old: byKey[keyIds[1] ?? ''] ?? 0, unknown: 0 },
        keyIds,
        unopened,
      });
    expect(lines({ a: 3 }, ['a']).map(short)).toEqual(['ok']);
    expect(lines({ a: 1, b: 2 }, ['a', 'b'])[0]).toMatchObject({
      status: 'warn',
      found: expect.stringContaining('2 secrets'),
    });
    expect(lines({ a: 3 }, ['a', 'b'])[0]?.found).toBe(
      'the second key is not needed any more for what is kept',
    );
    expect(lines({ a: 3 }, ['a', 'b', 'c'])[0]?.found).toContain('the 2 keys after the first');
    expect(lines({}, []).map(short)).toEqual(['warn configuration']);
    const broken = lines(
      { a: 3 },
      ['a'],
      Array.from({ length: 12 }, (_, at) => `instance ${at}`),
    );
    expect(broken.map(short)).toEqual(['fail configuration']);
    expect(broken[0]?.found).toMatch(/instance 9 and 2 more$/);
  });
});

describe('an instance', () => {
  const verdict = { mode: 'device-compliance', source: 'jamf' } as const;
  const groups = { mode: 'device-compliance', source: 'smart-group' } as const;

  it.each([
    ['10.17.1', verdict, 'fail instance'],
    ['10.18.0', verdict, 'fail instance'],
    ['10.18.0', groups, 'warn instance'],
    ['10.36.0', verdict, 'warn instance'],
    ['10.49.0', verdict, 'ok'],
    ['11.30.1-t1784555528405', verdict, 'ok'],
    ['9.101.0', groups, 'fail instance'],
    ['unknown', verdict, 'warn instance'],
  ])('of version %s in %j is %s', (version, use, expected) => {
    expect(short(judgeVersion('i', { ok: true, version }, use))).toBe(expected);
  });

  it('needs the verdict of Jamf only where that is what counts', () => {
    const granted = (...privileges: string[]) =>
      ({ ok: true, authenticationType: undefined, privileges }) as const;
    const all = ['Read Computers', 'Read Device Compliance Information', 'Update Smart Computer Groups'];
    expect(judgePrivileges('i', granted(...all, 'Read Buildings'), verdict).status).toBe('ok');
    expect(judgePrivileges('i', granted('Read Computers'), verdict).status).toBe('fail');
    expect(judgePrivileges('i', granted('Read Computers'), groups).status).toBe('warn');
    expect(
      judgePrivileges('i', { ok: true, authenticationType: undefined, privileges: undefined }, verdict)
        .status,
    ).toBe('ok');
    const forbidden = { ok: false, failure: 'forbidden', status: 403, detail: 'HTTP 403' } as const;
    expect(judgeCompliance('i', forbidden, verdict)).toMatchObject({
      status: 'fail',
      remedy: expect.stringContaining('"Read Device Compliance Information"'),
    });
    expect(judgeCompliance('i', forbidden, groups).status).toBe('warn');
    expect(judgeCompliance('i', { ok: false, failure: 'not-found', detail: '' }, verdict).status).toBe('ok');
    expect(judgeCompliance('i', { ok: true, records: [] }, verdict).status).toBe('warn');
  });

  it('names the reference that cannot be read', () => {
    expect(judgeSecret('i', 'env:ESPALIER_INSTANCE_A', 'the variable is not set')).toMatchObject({
      status: 'fail',
      remedy: expect.stringContaining('ESPALIER_INSTANCE_A'),
    });
    expect(judgeSecret('i', undefined, undefined).status).toBe('ok');
  });
});

describe('a tenant', () => {
  const connected = {
    connectionState: 'connected',
    hold: null,
    lastHeartbeatAt: new Date(nowMs - 60_000),
    mode: 'device-compliance',
    paused: false,
  } as const;
  const hold = {
    cause: 'consent-lost',
    detail: 'gone',
    remedy: 'connect again',
    owner: 'configuration',
    since: '',
  };

  it.each([
    [connected, 'ok'],
    [{ ...connected, hold }, 'fail configuration'],
    [{ ...connected, paused: true }, 'warn configuration'],
    [{ ...connected, lastHeartbeatAt: null }, 'warn espalier'],
    [{ ...connected, lastHeartbeatAt: new Date(nowMs - 4 * 3_600_000) }, 'warn espalier'],
    [{ ...connected, mode: 'conditional-access' as const }, 'warn configuration'],
    [{ ...connected, connectionState: 'new' as const }, 'warn configuration'],
    [{ ...connected, connectionState: 'terminated' as const }, 'fail configuration'],
  ])('that is %j is %s', (tenant, expected) => {
    expect(short(judgeConnection('t', tenant, 3_600, nowMs))).toBe(expected);
  });

  const failure = { ok: false, cause: 'x', detail: 'y', remedy: 'z', owner: 'microsoft' } as const;
  it('fails for what somebody must end, and warns of what passes', () => {
    expect(short(judgeToken('t', [{ ...failure, kind: 'hold' }]))).toBe('fail microsoft');
    expect(
      short(
        judgeToken('t', [
          { ok: true, roles: [] },
          { ...failure, kind: 'retry' },
        ]),
      ),
    ).toBe('warn microsoft');
    expect(
      judgeToken('t', [
        { ok: true, roles: ['a'] },
        { ok: true, roles: ['b'] },
      ]).found,
    ).toContain('a, b');
    expect(short(judgeDiscovery('t', { ...failure, kind: 'hold' }))).toBe('fail microsoft');
  });

  it('fails for missing permissions and warns of others', () => {
    const one = (more: object) => ({
      checkedAt: '',
      ok: false,
      applications: [
        {
          app: 'connector' as const,
          clientId: '',
          state: 'enabled' as const,
          expected: [],
          granted: ['a'],
          missing: [],
          extra: [],
          ...more,
        },
      ],
    });
    expect(judgePermissions('t', one({})).map(short)).toEqual(['ok']);
    expect(judgePermissions('t', one({ extra: ['b'] })).map(short)).toEqual(['warn configuration']);
    expect(judgePermissions('t', one({ missing: ['c'], extra: ['b'] }))[0]).toMatchObject({
      status: 'fail',
      found: 'missing: c; too many: b',
    });
    const problem = { cause: 'x', detail: 'y', remedy: 'z', owner: 'microsoft' };
    expect(judgePermissions('t', one({ problem })).map(short)).toEqual(['fail microsoft']);
  });

  it('says of licences what Graph shows, and that it shows nothing where it does not', () => {
    const licences = (more: object) =>
      ({ ok: true, intune: true, entraPremium: 'P1', ending: [], ...more }) as const;
    expect(judgeLicences('t', licences({})).status).toBe('ok');
    expect(judgeLicences('t', licences({ intune: false })).status).toBe('fail');
    expect(judgeLicences('t', licences({ entraPremium: undefined })).status).toBe('warn');
    expect(judgeLicences('t', licences({ ending: ['EMS (Suspended)'] })).status).toBe('warn');
    expect(judgeLicences('t', { ok: false, failure: 'forbidden', detail: '' })).toMatchObject({
      status: 'warn',
      found: expect.stringContaining('cannot be seen'),
    });
  });
});

describe('what stands between this gateway and the others', () => {
  const facts = (trusted: string, more: Partial<BalancerFacts> = {}): BalancerFacts => ({
    trusted: trusted
      .split(',')
      .map(parseProxyRange)
      .filter((range) => range !== undefined),
    ...{ isProxyProtocol: false, certificateHeader: undefined, isTls: true, ...more },
  });
  it.each<[BalancerFacts, string, RegExp]>([
    [facts(''), 'ok', /no balancer is named/],
    [facts('', { isTls: false }), 'warn configuration', /share one address/],
    [facts('10.0.0.0/24,fd00::/64'), 'ok', /10\.0\.0\.0\/24, fd00::\/64; in Forwarded or X-Forwarded-For/],
    [facts('10.0.0.1', { isProxyProtocol: true }), 'ok', /10\.0\.0\.1\/32; in PROXY headers/],
    [facts('10.0.0.1', { certificateHeader: 'x-client-cert' }), 'ok', /certificates come in x-client-cert/],
    [facts('10.0.0.0/8,192.0.2.1'), 'warn configuration', /10\.0\.0\.0\/8 has more addresses/],
    [facts('fd00::/32'), 'warn configuration', /fd00::\/32 has more addresses/],
  ])('a balancer: %j', (given, status, found) => {
    const line = judgeBalancer(given);
    expect([short(line), line.found]).toEqual([status, expect.stringMatching(found)]);
  });

  it('the proxy on the way out', () => {
    const judged = (proxy: string | undefined, unread: string[] = [], others: string[] = []) =>
      short(judgeOutgoing({ proxy, unread, others }));
    expect(judged(undefined)).toBe('ok');
    expect(judged(undefined, [], ['HTTP_PROXY'])).toBe('warn configuration');
    expect(judged('http://proxy:3128', [], ['HTTP_PROXY'])).toBe('ok');
    expect(judged('http://proxy:3128', ['<local>'])).toBe('warn configuration');
  });
});
