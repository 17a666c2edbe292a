/** Answers of an instance that try to reach further than their own call. A row names the attack. */

/** `passed`: the caller gets `{"own":1}`. `refused`: 502. `broken`: half an answer, and the caller's connection ends. */
export type AnswerOutcome = 'passed' | 'empty' | 'refused' | 'broken';

export interface AnswerRow {
  readonly attack: string;
  readonly bytes: string;
  /** Written so much later, when the connection may lie idle. */
  readonly later?: string;
  /** More came than the answer is: the connection carries no other call. */
  readonly hasSurplus?: true;
  readonly outcome: AnswerOutcome;
}

/** No caller may ever see it. */
export const planted = 'of-nobody';

const own = '{"own":1}';
const stolen = `{"planted":"${planted}"}`;
const json = 'content-type: application/json\r\n';
const answer = (body: string, more = ''): string =>
  `HTTP/1.1 200 OK\r\n${json}${more}content-length: ${body.length}\r\n\r\n${body}`;
const inChunks = (end: string, more = ''): string =>
  `HTTP/1.1 200 OK\r\n${json}${more}transfer-encoding: chunked\r\n\r\n9\r\n${own}\r\n${end}`;
const row = (attack: string, outcome: AnswerOutcome, bytes: string, later?: string): AnswerRow => ({
  attack,
  outcome,
  bytes,
  ...(later === undefined ? {} : { later }),
});

const surplusRows: readonly AnswerRow[] = [
  row('a byte behind its length', 'passed', `${answer(own)}x`),
  row('a second answer behind its length', 'passed', answer(own) + answer(stolen)),
  row('a second answer behind the last chunk', 'passed', inChunks('0\r\n\r\n') + answer(stolen)),
  row('a second answer while the connection lies idle', 'passed', answer(own), answer(stolen)),
  row('a byte while the connection lies idle', 'passed', answer(own), 'x'),
  row('half a head while the connection lies idle', 'passed', answer(own), 'HTTP/1.1 200 OK\r\n'),
  row(
    'an interim answer while the connection lies idle',
    'passed',
    answer(own),
    'HTTP/1.1 100 Continue\r\n\r\n',
  ),
  row('a line break behind its length', 'passed', `${answer(own)}\r\n`),
  row('a body of 204', 'empty', `HTTP/1.1 204 No Content\r\n\r\n${answer(stolen)}`),
  row('a length and a body of 204', 'empty', `HTTP/1.1 204 No Content\r\ncontent-length: 9\r\n\r\n${stolen}`),
  row('a body of 304', 'refused', `HTTP/1.1 304 Not Modified\r\n\r\n${answer(stolen)}`),
  row('a hundred answers', 'passed', answer(own) + answer(stolen).repeat(100)),
  row('a request', 'passed', `${answer(own)}GET / HTTP/1.1\r\nHost: ${planted}\r\n\r\n`),
];

const framingRows: readonly AnswerRow[] = [
  row('a length and chunks', 'refused', answer(own, 'transfer-encoding: chunked\r\n')),
  row('two lengths', 'refused', answer(own, 'content-length: 2\r\n')),
  row('a length with a sign', 'refused', `HTTP/1.1 200 OK\r\n${json}content-length: +9\r\n\r\n${own}`),
  row(
    'gzip and chunks',
    'refused',
    `HTTP/1.1 200 OK\r\n${json}transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n`,
  ),
  row('a folded header', 'refused', answer(own, `x-a: b\r\n c: ${planted}\r\n`)),
  row('bare LF in a header', 'refused', answer(own, `x-a: b\nset-cookie: ${planted}\r\n`)),
  row('NUL in a header', 'refused', answer(own, `x-a: \0${planted}\r\n`)),
  row('a space before a colon', 'refused', answer(own, `x-a : ${planted}\r\n`)),
  row('another protocol', 'refused', `ICY 200 OK\r\n\r\n${stolen}`),
  row('no head at all', 'refused', stolen),
  row('a switch of protocols', 'refused', `HTTP/1.1 101 Switching\r\nupgrade: x\r\n\r\n${stolen}`),
  row('one interim answer', 'passed', `HTTP/1.1 103 Early Hints\r\nlink: ${planted}\r\n\r\n${answer(own)}`),
  row(
    'a flood of interim answers',
    'refused',
    'HTTP/1.1 100 Continue\r\n\r\n'.repeat(1_000) + answer(stolen),
  ),
  row('a head of 70 KB', 'refused', answer(own, `x-a: ${'x'.repeat(70_000)}\r\n`)),
];

const chunkRows: readonly AnswerRow[] = [
  row('trailers', 'passed', inChunks(`0\r\nset-cookie: ${planted}\r\nx-request-id: ${planted}\r\n\r\n`)),
  row('a trailer that frames', 'broken', inChunks('0\r\ncontent-length: 9\r\n\r\n')),
  row('a flood of trailers', 'broken', inChunks(`0\r\n${'x-a: b\r\n'.repeat(5_000)}\r\n`)),
  row('a chunk size with a sign', 'broken', inChunks(`+9\r\n${own}\r\n0\r\n\r\n`)),
  row('a chunk size beyond all numbers', 'broken', inChunks(`${'f'.repeat(17)}\r\n`)),
  row('bare LF behind a chunk size', 'broken', inChunks(`9\n${own}\r\n0\r\n\r\n`)),
  row('extensions of 20 KB', 'broken', inChunks(`9;${'x'.repeat(20_000)}\r\n${own}\r\n0\r\n\r\n`)),
];

const headerRows: readonly AnswerRow[] = [
  row('cookies', 'passed', answer(own, `set-cookie: a=${planted}\r\n`)),
  row(
    'policies of its own',
    'passed',
    answer(
      own,
      `content-security-policy: default-src ${planted}\r\nstrict-transport-security: max-age=0; ${planted}\r\nreferrer-policy: ${planted}\r\ncache-control: public, ${planted}\r\naccess-control-allow-origin: ${planted}\r\nx-content-type-options: ${planted}\r\n`,
    ),
  ),
  row(
    'an address',
    'passed',
    answer(own, `location: https://${planted}/\r\nrefresh: 0; url=//${planted}\r\n`),
  ),
  row('a credential asked for', 'passed', answer(own, `www-authenticate: Basic realm="${planted}"\r\n`)),
  row('a header that Connection names', 'passed', answer(own, `connection: etag\r\netag: "${planted}"\r\n`)),
];

export const answerRows: readonly AnswerRow[] = [...surplusRows, ...framingRows, ...chunkRows, ...headerRows];
