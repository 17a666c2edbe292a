import { describe, expect, test } from 'vitest';
import { StoreUnavailableError, storeFailure } from './store-failure.ts';

const coded = (code: string, more: object = {}): Error => Object.assign(new Error(code), { code }, more);
const server = (code: string, severity = 'ERROR'): Error => coded(code, { severity });

describe('the database is unreachable when the error is', () => {
  test.each([
    'ECONNREFUSED',
    'ECONNRESET',
    'ECONNABORTED',
    'EPIPE',
    'ETIMEDOUT',
    'EHOSTUNREACH',
    'EHOSTDOWN',
    'ENETUNREACH',
    'ENETDOWN',
    'ENETRESET',
    'EADDRNOTAVAIL',
    'ENOTFOUND',
    'EAI_AGAIN',
    'EAI_FAIL',
    'EAI_NODATA',
    'ESERVFAIL',
    'ETIMEOUT',
    'CONNECTION_CLOSED',
    'CONNECT_TIMEOUT',
    'TLS_NOT_OFFERED',
  ])('the network’s %s', (code) => {
    expect(storeFailure(coded(code))).toBe('unreachable');
  });

  test.each(['EMFILE', 'ENFILE', 'ENOBUFS', 'EACCES', 'ENOENT', 'EPERM', 'EINVAL'])(
    '%s of the call that connects, and only of that one',
    (code) => {
      expect(storeFailure(coded(code, { syscall: 'connect' }))).toBe('unreachable');
      expect(storeFailure(coded(code, { syscall: 'open', path: '/run/secrets/one' }))).toBeUndefined();
    },
  );

  test.each([
    'CERT_HAS_EXPIRED',
    'CERT_NOT_YET_VALID',
    'CERT_REVOKED',
    'CERT_UNTRUSTED',
    'CERT_SIGNATURE_FAILURE',
    'DEPTH_ZERO_SELF_SIGNED_CERT',
    'SELF_SIGNED_CERT_IN_CHAIN',
    'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
    'UNABLE_TO_GET_ISSUER_CERT',
    'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
    'UNABLE_TO_GET_CRL',
    'CRL_HAS_EXPIRED',
    'INVALID_CA',
    'INVALID_PURPOSE',
    'PATH_LENGTH_EXCEEDED',
    'HOSTNAME_MISMATCH',
    'ERR_TLS_CERT_ALTNAME_INVALID',
    'ERR_TLS_HANDSHAKE_TIMEOUT',
    'ERR_SSL_WRONG_VERSION_NUMBER',
    'ERR_SSL_TLSV1_ALERT_UNKNOWN_CA',
    'ERR_SOCKET_CLOSED',
    'EPROTO',
  ])('the handshake’s %s', (code) => {
    expect(storeFailure(coded(code))).toBe('unreachable');
  });

  test.each(['08000', '08001', '08003', '08004', '08006', '08P01', '57P01', '57P02', '57P03'])(
    'SQLSTATE %s',
    (code) => {
      expect(storeFailure(server(code, 'FATAL'))).toBe('unreachable');
      expect(storeFailure(coded(code))).toBe('unreachable');
    },
  );

  test.each(['58000', '58030', 'XX000'])('a pooler without a server, FATAL %s', (code) => {
    expect(storeFailure(server(code, 'FATAL'))).toBe('unreachable');
  });

  test.each([
    'connection attempt failed',
    'Network connection lost.',
    'proxy request failed, cannot connect to the specified address',
    'Stream was cancelled.',
  ])('workerd’s, without a code: %s', (message) => {
    expect(storeFailure(new Error(message))).toBe('unreachable');
  });
});

describe('the database refuses work now when the error is', () => {
  test.each(['53000', '53100', '53200', '53300', '53400'])('a lack of resources, SQLSTATE %s', (code) => {
    expect(storeFailure(server(code))).toBe('refused');
    expect(storeFailure(server(code, 'FATAL'))).toBe('refused');
  });

  test.each(['28000', '28P01', '3D000', '42501'])('a refused session, FATAL %s', (code) => {
    expect(storeFailure(server(code, 'FATAL'))).toBe('refused');
  });

  test.each([
    '58000',
    '58030',
    '58P01',
    '57000',
    '57014',
    '57P04',
    '57P05',
    '25006',
    '40001',
    '40P01',
    '55P03',
  ])('SQLSTATE %s of a statement', (code) => {
    expect(storeFailure(server(code))).toBe('refused');
  });

  test.each(['CONNECTION_DESTROYED', 'CONNECTION_ENDED'])('this process’s own end of it, %s', (code) => {
    expect(storeFailure(coded(code))).toBe('refused');
  });

  test('the breaker’s own word', () => {
    const away = new StoreUnavailableError('STORE_AWAY', 'away', coded('ECONNREFUSED'));
    // The refusal is not another sign of an outage, although its cause was one.
    expect(storeFailure(away)).toBe('refused');
  });
});

test('the database is unreachable when a query of the driver ended without a code, whatever the words', () => {
  const ended = Object.assign(new Error('It could not be done.'), { query: 'select 1', parameters: [] });
  expect(storeFailure(ended)).toBe('unreachable');
  expect(storeFailure(new Error('Failed query: select 1', { cause: ended }))).toBe('unreachable');
});

describe('an error is looked into', () => {
  test('where it is wrapped, however often', () => {
    const inner = coded('EAI_AGAIN');
    const wrapped = new Error('Failed query: select 1', {
      cause: new Error('of the driver', { cause: inner }),
    });
    expect(storeFailure(wrapped)).toBe('unreachable');
  });

  test('where several addresses of a name failed together', () => {
    const all = new AggregateError([coded('ENETUNREACH'), coded('ECONNREFUSED')]);
    expect(storeFailure(all)).toBe('unreachable');
    expect(storeFailure(new Error('the query failed', { cause: all }))).toBe('unreachable');
  });

  test('without an end to its causes', () => {
    const own: Error & { cause?: unknown } = new Error('its own cause');
    own.cause = own;
    expect(storeFailure(own)).toBeUndefined();
  });
});

test.each([
  ['a unique violation', server('23505')],
  ['an unknown column', server('42703')],
  ['a missing right', server('42501')],
  ['an internal error of the server', server('XX000')],
  ['a bug', new TypeError("Cannot read properties of undefined (reading 'connection')")],
  ['a bug that ended a query', Object.assign(new TypeError('x is not a function'), { parameters: [] })],
  [
    'a query that failed for no reason that is known',
    Object.assign(new Error('Failed query'), { params: [] }),
  ],
  ['a file that is not there', coded('ENOENT', { syscall: 'open' })],
  ['a directory that is read', coded('EISDIR', { syscall: 'read' })],
  ['no error at all', 'ECONNREFUSED'],
  ['nothing', undefined],
])('%s is no failure of the database', (_name, error) => {
  expect(storeFailure(error)).toBeUndefined();
});
