import { ofKind, test } from '../mutation.ts';

/** A key or a token goes where it must not go, or counts where it must not count. */
export const secret = ofKind('secret', [
  {
    name: "a caller's cookie goes on to the instance",
    file: 'src/forwarding/headers.ts',
    found: "const forDeviceCalls = ['accept',",
    replacement: "const forDeviceCalls = ['cookie', 'accept',",
    noticedBy: test('src/forwarding/headers.test.ts'),
  },
  {
    name: "an instance's cookie goes on to the caller",
    file: 'src/forwarding/headers.ts',
    found: "  'retry-after',\n]);",
    replacement: "  'retry-after',\n  'set-cookie',\n]);",
    noticedBy: test('src/forwarding/headers.test.ts'),
  },
  {
    name: 'a token whose signature is wrong is believed',
    file: 'src/entra/verify.ts',
    found:
      "if (!(await signature(parsed.algorithm, key, parsed.data, parsed.signature))) return refuse('signature');",
    replacement: '',
    noticedBy: test('src/entra/verify.test.ts'),
  },
  {
    name: 'a token that has expired is believed',
    file: 'src/entra/verify.ts',
    found: "if (input.now >= validUntilMs(parsed)) return 'expired';",
    replacement: '',
    noticedBy: test('src/entra/verify.test.ts'),
  },
  {
    name: "a token for another service's audience is believed",
    file: 'src/entra/verify.ts',
    found: 'if (audience === undefined || !input.audiences.includes(audience))',
    replacement: 'if (audience === undefined)',
    noticedBy: test('src/entra/verify.test.ts'),
  },
  {
    name: 'a bearer token goes to a host that only ends like an allowed one',
    file: 'src/graph/allowed-hosts.ts',
    found: 'const suffix = wanted.slice(1);',
    replacement: 'const suffix = wanted.slice(2);',
    noticedBy: test('src/graph/allowed-hosts.test.ts'),
  },
  {
    name: 'keys stand in the log',
    file: 'src/telemetry/log.ts',
    found: "value.replace(secretText, '********')",
    replacement: 'value',
    noticedBy: test('src/telemetry/log.test.ts'),
  },
  {
    name: 'an address in IPv6 clothes counts as another one than it is',
    file: 'src/outbound/addresses.ts',
    found: 'ipaddr.process(bare)',
    replacement: 'ipaddr.parse(bare)',
    noticedBy: test('src/outbound/addresses.test.ts'),
  },
  {
    name: 'a special-purpose address may be connected to',
    file: 'src/outbound/addresses.ts',
    found: "if (address.range() !== 'unicast') return false;",
    replacement: "if (address.range() === 'loopback') return false;",
    noticedBy: test('src/outbound/addresses.test.ts'),
  },
  {
    name: 'a key is believed for a second from when the database answered',
    file: 'src/store/credentials.ts',
    found: 'live.set(hash, { found, atMs });',
    replacement: 'live.set(hash, { found, atMs: now() });',
    noticedBy: test('src/store/credentials.test.ts'),
  },
]);
