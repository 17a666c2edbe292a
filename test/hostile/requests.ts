/** Raw requests that attack the reading of HTTP. A row names its attack; requests.test.ts says what must come of each. */

/** A request that this listener answers 200, in parts. */
export interface GoodRequest {
  readonly target: string;
  /** Value of its one `Host`. */
  readonly host: string;
  /** Further header lines, a credential among them where the listener asks for one. */
  readonly lines: readonly string[];
}

/** `refused`: 400 `invalid-request` before any work, and the connection closes. */
export type Outcome = 'refused' | 'too large' | 'served' | 'served and closed' | 'not found';

export interface RequestRow {
  readonly attack: string;
  readonly bytes: (good: GoodRequest) => string;
  readonly outcome: Outcome;
  /** On the ops listener, where it differs: a balancer's probe is HTTP/1.0 and names no host. */
  readonly onOps?: Outcome;
}

interface Parts {
  readonly method?: string;
  readonly target?: string;
  readonly version?: string;
  /** Lines in place of the one `Host`. */
  readonly host?: readonly string[];
  /** Lines behind the good ones. */
  readonly more?: readonly string[];
  readonly body?: string;
}

const write = (good: GoodRequest, parts: Parts): string => {
  const {
    body = '',
    host = [`Host: ${good.host}`],
    method = 'GET',
    more = [],
    target = good.target,
    version = 'HTTP/1.1',
  } = parts;
  return [`${method} ${target} ${version}`, ...host, ...good.lines, ...more, '', body].join('\r\n');
};

export const goodBytes = (good: GoodRequest): string => write(good, {});

/** Text that no answer may repeat. */
export const marker = 'reflect-me';

type MakeParts = Parts | ((good: GoodRequest) => Parts);
const row = (attack: string, outcome: Outcome, parts: MakeParts): RequestRow => ({
  attack,
  outcome,
  bytes: (good) => write(good, typeof parts === 'function' ? parts(good) : parts),
});
const refused = (attack: string, parts: MakeParts): RequestRow => row(attack, 'refused', parts);
const served = (attack: string, parts: MakeParts): RequestRow => row(attack, 'served', parts);
/** The good request with one change to its bytes. */
const changed = (
  attack: string,
  outcome: Outcome,
  change: (bytes: string, good: GoodRequest) => string,
): RequestRow => ({ attack, outcome, bytes: (good) => change(goodBytes(good), good) });
const headed = (attack: string, line: string): RequestRow => refused(attack, { more: [line] });

const chunked = 'Transfer-Encoding: chunked';
const emptyChunks = '0\r\n\r\n';
/** A path of the listener with a word put behind its first slash. */
const inPath =
  (word: string): MakeParts =>
  ({ target }) => ({ target: `/${word}${target}` });

const hostRows: readonly RequestRow[] = [
  refused('two hosts', ({ host }) => ({ host: [`Host: ${host}`, `Host: ${marker}.example`] })),
  refused('the same host twice', ({ host }) => ({ host: [`Host: ${host}`, `Host: ${host}`] })),
  refused('two hosts, differing in case', ({ host }) => ({ host: [`Host: ${host}`, `hOST: ${host}`] })),
  refused('a second, empty host', ({ host }) => ({ host: [`Host: ${host}`, 'Host:'] })),
  refused('an empty host', { host: ['Host:'] }),
  refused('no host', { host: [] }),
  refused('a host behind the other headers and one before', ({ host }) => ({ more: [`Host: ${host}`] })),
  refused('a list of hosts', ({ host }) => ({ host: [`Host: ${host}, ${marker}.example`] })),
  refused('user information in the host', ({ host }) => ({ host: [`Host: ${marker}@${host}`] })),
  refused('a path in the host', ({ host }) => ({ host: [`Host: ${host}/${marker}`] })),
  refused('a query in the host', ({ host }) => ({ host: [`Host: ${host}?${marker}`] })),
  refused('a fragment in the host', ({ host }) => ({ host: [`Host: ${host}#${marker}`] })),
  refused('a space in the host', ({ host }) => ({ host: [`Host: ${host} ${marker}`] })),
  refused('a port that is no number', { host: [`Host: localhost:${marker}`] }),
  refused('a port that is too high', { host: ['Host: localhost:65536'] }),
  refused('an IPv6 address without its end', { host: ['Host: [::1'] }),
  refused('bytes above ASCII in the host', { host: ['Host: l\xf6calhost'] }),
  refused('a hexadecimal number as host', { host: ['Host: 0x7f.1'] }),
  refused('a decimal number as host', { host: ['Host: 2130706433'] }),
  refused('an octal number as host', { host: ['Host: 0177.0.0.1'] }),
  refused('a host of 8 KB', { host: [`Host: ${'a'.repeat(8_000)}`] }),
  refused('an encoded slash in the host', { host: ['Host: a%2fb'] }),
  served('a host in capitals', ({ host }) => ({ host: [`HOST: ${host.toUpperCase()}`] })),
  served('an IPv6 address as host', { host: ['Host: [::1]:8443'] }),
  {
    ...refused('HTTP/1.0 without a host', { version: 'HTTP/1.0', host: [] }),
    onOps: 'served and closed',
  },
  row('HTTP/1.0 with a host', 'served and closed', { version: 'HTTP/1.0' }),
];

const targetRows: readonly RequestRow[] = [
  refused('an absolute target unlike the host', ({ target }) => ({
    target: `http://${marker}.example${target}`,
  })),
  refused('an absolute target with another port', ({ host, target }) => ({
    target: `http://${host}:81${target}`,
  })),
  refused('an absolute target with user information', ({ host, target }) => ({
    target: `http://${marker}@${host}${target}`,
  })),
  refused('an absolute target of another scheme', ({ host, target }) => ({
    target: `gopher://${host}${target}`,
  })),
  served('an absolute target like the host', ({ host, target }) => ({ target: `http://${host}${target}` })),
  refused('a target that begins with two slashes', ({ target }) => ({
    target: `//${marker}.example${target}`,
  })),
  refused('the asterisk form', { target: '*' }),
  refused('the asterisk form of OPTIONS', { method: 'OPTIONS', target: '*' }),
  refused('the authority form', ({ host }) => ({ target: `${host}:443` })),
  refused('CONNECT', { method: 'CONNECT', target: `${marker}.example:443` }),
  refused('an empty target', { target: '' }),
  refused('a target without its slash', { target: marker }),
  refused('a query alone', { target: `?${marker}` }),
  refused('a fragment', ({ target }) => ({ target: `${target}#${marker}` })),
  refused('a backslash in the path', inPath('a\\b')),
  refused('a space in the target', ({ target }) => ({ target: `${target} ${marker}` })),
  refused('a tab in the target', ({ target }) => ({ target: `${target}\t${marker}` })),
  refused('NUL in the target', ({ target }) => ({ target: `${target}\0` })),
  refused('DEL in the target', ({ target }) => ({ target: `${target}\x7f` })),
  refused('bytes above ASCII in the path', inPath('\xff')),
  refused('a percent sign alone', inPath('%')),
  refused('a percent sign before no hexadecimal', inPath('%zz')),
  refused('half an encoded byte', ({ target }) => ({ target: `${target}%4` })),
  refused('an encoded NUL', inPath('a%00')),
  refused('an encoded line break', inPath('%0d%0aSet-Cookie:%20a')),
  refused('an encoded slash', ({ target }) => ({ target: target.replace(/\/(?=[^/]*$)/, '%2f') })),
  refused('an encoded slash in capitals', ({ target }) => ({
    target: target.replace(/\/(?=[^/]*$)/, '%2F'),
  })),
  refused('an encoded backslash', inPath('a%5cb')),
  refused('dots that lead up', inPath('a/..')),
  refused('a single dot', inPath('.')),
  refused('encoded dots that lead up', inPath('a/%2e%2e')),
  refused('half encoded dots that lead up', inPath('a/.%2E')),
  refused('an encoded single dot', inPath('%2e')),
  refused('dots that lead up at the end', ({ target }) => ({ target: `${target}/..` })),
  refused('bytes that are no UTF-8', inPath('%ff%fe')),
  row('an overlong target', 'too large', ({ target }) => ({ target: `${target}?${'x'.repeat(20_000)}` })),
  row('another path', 'not found', { target: `/nothing-${marker}` }),
];

const lineRows: readonly RequestRow[] = [
  refused('an unknown method', { method: marker.toUpperCase() }),
  refused('a method in lower case', { method: 'get' }),
  refused('a method with a control character', { method: 'G\x01T' }),
  served('two spaces before the target, as RFC 9112 allows', ({ target }) => ({ target: ` ${target}` })),
  served('two spaces behind the target, as RFC 9112 allows', { version: ' HTTP/1.1' }),
  refused('HTTP/0.9', { version: '' }),
  refused('HTTP/2.0 in words', { version: 'HTTP/2.0' }),
  refused('HTTP/1.2', { version: 'HTTP/1.2' }),
  refused('HTTP/3.0', { version: 'HTTP/3.0' }),
  refused('HTTP/0.9 in words', { version: 'HTTP/0.9' }),
  refused('another protocol', { version: `${marker}/1.0` }),
  changed('the preface of HTTP/2', 'refused', () => 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
  changed('a TLS handshake to plain text', 'refused', () => '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'),
  changed('the end of PROXY v1', 'refused', (bytes) => `PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n${bytes}`),
  changed('bare LF behind the request line', 'refused', (bytes) => bytes.replace('\r\n', '\n')),
  changed('bare CR behind the request line', 'refused', (bytes) => bytes.replace('\r\n', '\r')),
  changed('bare LF behind a header', 'refused', (bytes) => bytes.replace(/\r\n\r\n$/, '\nX-A: b\r\n\r\n')),
  changed('bare CR behind a header', 'refused', (bytes) => bytes.replace(/\r\n\r\n$/, '\rX-A: b\r\n\r\n')),
  changed('bare LF in place of the empty line', 'refused', (bytes) => bytes.replace(/\r\n\r\n$/, '\r\n\n')),
  changed('bare CR before the request line', 'refused', (bytes) => `\r${bytes}`),
  changed('bare LF before the request line', 'refused', (bytes) => `\n${bytes}`),
  changed('bare CR between an empty line and the request line', 'refused', (bytes) => `\r\n\r${bytes}`),
  changed('CR before an empty line', 'refused', (bytes) => `\r\r\n${bytes}`),
  changed('empty lines before the request line', 'served', (bytes) => `\r\n\r\n${bytes}`),
  changed('bare LF everywhere', 'refused', (bytes) => bytes.replaceAll('\r\n', '\n')),
];

const headerRows: readonly RequestRow[] = [
  headed('a header folded with a space', `X-Folded: a\r\n ${marker}`),
  headed('a header folded with a tab', 'X-Folded: a\r\n\tb'),
  headed('an empty header folded', 'X-Folded:\r\n b'),
  refused('the host folded', ({ host }) => ({ host: [`Host:\r\n ${host}`] })),
  changed('a space before the first header', 'refused', (bytes) => bytes.replace('\r\n', '\r\n X: a\r\n')),
  headed('bare CR in a value', 'X-Value: a\rb'),
  headed('bare LF in a value', 'X-Value: a\nInjected: b'),
  headed('NUL in a value', 'X-Value: a\0b'),
  headed('a control character in a value', 'X-Value: a\x01b'),
  headed('DEL in a value', 'X-Value: a\x7fb'),
  headed('escape in a value', 'X-Value: \x1b[31m'),
  headed('a space before the colon', 'X-Value : a'),
  headed('a tab before the colon', 'X-Value\t: a'),
  headed('a space in a name', 'X Value: a'),
  headed('NUL in a name', 'X\0: a'),
  headed('bytes above ASCII in a name', 'X-\xe4: a'),
  headed('no name', ': a'),
  headed('no colon', marker),
  headed('a parenthesis in a name', 'X(a): b'),
  row('a head of 20 KB', 'too large', { more: [`X-Large: ${'x'.repeat(20_000)}`] }),
  row('headers of 20 KB in all', 'too large', {
    more: Array.from({ length: 1_000 }, (_, at) => `X-${at}: ${'x'.repeat(10)}`),
  }),
  served('bytes above ASCII in a value that nobody reads', { more: ['X-Value: \xe4'] }),
  served('a value with spaces around it', { more: ['X-Value:  a \t '] }),
];

const bodyRows: readonly RequestRow[] = [
  served('GET with Content-Length 0', { more: ['Content-Length: 0'] }),
  refused('GET with a body', { more: ['Content-Length: 5'], body: 'hello' }),
  refused('GET with a body of chunks', { more: [chunked], body: `5\r\nhello\r\n${emptyChunks}` }),
  refused('GET with an empty body of chunks', { more: [chunked], body: emptyChunks }),
  refused('GET whose body never comes', { more: ['Content-Length: 5'] }),
  refused('HEAD with a body', { method: 'HEAD', more: ['Content-Length: 5'], body: 'hello' }),
  refused('GET whose body is a request', (good) => {
    const inner = goodBytes(good);
    return { more: [`Content-Length: ${inner.length}`], body: inner };
  }),
  refused('GET that expects to send a body', { more: ['Content-Length: 5', 'Expect: 100-continue'] }),
  refused('HTTP/1.0 with chunks', {
    method: 'POST',
    version: 'HTTP/1.0',
    more: [chunked],
    body: emptyChunks,
  }),
  refused('HTTP/1.0 with chunks and a kept connection', {
    method: 'POST',
    version: 'HTTP/1.0',
    more: ['Connection: keep-alive', chunked],
    body: emptyChunks,
  }),
  refused('a length and chunks', { method: 'POST', more: ['Content-Length: 5', chunked], body: emptyChunks }),
  refused('chunks and a length', { method: 'POST', more: [chunked, 'Content-Length: 5'], body: emptyChunks }),
  refused('length 0 and chunks', { method: 'POST', more: ['Content-Length: 0', chunked], body: emptyChunks }),
  refused('two lengths', {
    method: 'POST',
    more: ['Content-Length: 5', 'Content-Length: 6'],
    body: 'hello!',
  }),
  refused('the same length twice', {
    method: 'POST',
    more: ['Content-Length: 5', 'Content-Length: 5'],
    body: 'hello',
  }),
  refused('a list of lengths', { method: 'POST', more: ['Content-Length: 5, 5'], body: 'hello' }),
  refused('a length with a sign', { method: 'POST', more: ['Content-Length: +5'], body: 'hello' }),
  refused('a negative length', { method: 'POST', more: ['Content-Length: -5'], body: 'hello' }),
  refused('a hexadecimal length', { method: 'POST', more: ['Content-Length: 0x5'], body: 'hello' }),
  refused('a length with a space inside', { method: 'POST', more: ['Content-Length: 5 0'], body: 'hello' }),
  refused('a length with a fraction', { method: 'POST', more: ['Content-Length: 5.0'], body: 'hello' }),
  refused('an empty length', { method: 'POST', more: ['Content-Length:'], body: 'hello' }),
  refused('a length beyond all numbers', {
    method: 'POST',
    more: [`Content-Length: ${'9'.repeat(30)}`],
    body: 'hello',
  }),
  refused('gzip and chunks', {
    method: 'POST',
    more: ['Transfer-Encoding: gzip, chunked'],
    body: emptyChunks,
  }),
  refused('chunks and gzip', {
    method: 'POST',
    more: ['Transfer-Encoding: chunked, gzip'],
    body: emptyChunks,
  }),
  refused('chunks twice', {
    method: 'POST',
    more: ['Transfer-Encoding: chunked, chunked'],
    body: emptyChunks,
  }),
  refused('two headers of chunks', { method: 'POST', more: [chunked, chunked], body: emptyChunks }),
  refused('identity', { method: 'POST', more: ['Transfer-Encoding: identity'], body: '' }),
  refused('identity and chunks in two headers', {
    method: 'POST',
    more: ['Transfer-Encoding: identity', chunked],
    body: emptyChunks,
  }),
  refused('an unknown coding', { method: 'POST', more: ['Transfer-Encoding: xchunked'], body: emptyChunks }),
  refused('quoted chunks', { method: 'POST', more: ['Transfer-Encoding: "chunked"'], body: emptyChunks }),
  refused('chunks with a parameter', {
    method: 'POST',
    more: ['Transfer-Encoding: chunked;a=b'],
    body: emptyChunks,
  }),
  refused('an empty coding', { method: 'POST', more: ['Transfer-Encoding:'], body: emptyChunks }),
  refused('chunks with a vertical tab', {
    method: 'POST',
    more: ['Transfer-Encoding: \x0bchunked'],
    body: emptyChunks,
  }),
  refused('a space before the colon of Transfer-Encoding', {
    method: 'POST',
    more: ['Transfer-Encoding : chunked'],
    body: emptyChunks,
  }),
];

/** Bodies of an operation that reads one; elsewhere their path takes no POST, and the answer is that. */
const chunks = (body: string): Parts => ({
  method: 'POST',
  more: [chunked, 'Content-Type: application/json'],
  body,
});
export const chunkRows: readonly RequestRow[] = [
  refused('a chunk extension of 20 KB', chunks(`1;${'x'.repeat(20_000)}\r\na\r\n${emptyChunks}`)),
  refused('a chunk size with a sign', chunks(`+1\r\na\r\n${emptyChunks}`)),
  refused('a hexadecimal prefix', chunks(`0x1\r\na\r\n${emptyChunks}`)),
  refused('a chunk size with a space before it', chunks(` 1\r\na\r\n${emptyChunks}`)),
  refused('a chunk size with a space behind it', chunks(`1 \r\na\r\n${emptyChunks}`)),
  refused('an empty chunk size', chunks(`\r\na\r\n${emptyChunks}`)),
  refused('a chunk size beyond all numbers', chunks(`${'f'.repeat(17)}\r\na\r\n${emptyChunks}`)),
  refused('bare LF behind a chunk size', chunks(`1\na\r\n${emptyChunks}`)),
  refused('bare LF behind a chunk', chunks(`1\r\na\n${emptyChunks}`)),
  refused('bare CR behind a chunk size', chunks(`1\ra\r\n${emptyChunks}`)),
  refused('bare LF in a chunk extension', chunks(`1;a\nb\r\na\r\n${emptyChunks}`)),
  refused('a chunk longer than it says', chunks(`1\r\nab\r\n${emptyChunks}`)),
  refused('a chunk without its end', chunks(`1\r\na${emptyChunks}`)),
  refused('a trailer that is folded', chunks(`1\r\na\r\n0\r\nX-T: a\r\n b\r\n\r\n`)),
  refused('NUL in a trailer', chunks(`1\r\na\r\n0\r\nX-T: \0\r\n\r\n`)),
  refused('bare LF at the end of the trailers', chunks(`1\r\na\r\n0\r\n\n`)),
];

export const requestRows: readonly RequestRow[] = [
  ...hostRows,
  ...targetRows,
  ...lineRows,
  ...headerRows,
  ...bodyRows,
];
