import {
  joinRequest,
  type LaneRequest,
  mayBeRequest,
  type ReadHeaders,
  readHeaders,
  readRequestLine,
} from './node-lane-request.ts';

/**
 * Reads the requests of one connection, each as `readUnprovedRequest` reads it alone. A caller sends the same headers with
 * each of its requests: where all of them but the token are to the letter those of an earlier request, they are not
 * read again. What is kept of that request has no token in it.
 */
export type LaneReader = (bytes: Buffer) => LaneRequest | undefined;

interface Repeated {
  readonly tenantId: string;
  /** The headers as text, up to the token and after it. */
  readonly before: string;
  readonly after: string;
  readonly headers: ReadHeaders;
}

/** Where the headers differ every time, reading them twice is not worth it every time. */
const requestsBetween = 16;
/** What stands for the token in what is kept. */
const noToken = 'x';

/** Made of copies: a part of the request's own text would keep the whole of it, the token too. */
function repeatedOf(
  bytes: Buffer,
  tenantId: string,
  from: number,
  { token, tokenAt }: ReadHeaders,
): Repeated | undefined {
  const before = bytes.toString('latin1', from, tokenAt);
  const after = bytes.toString('latin1', tokenAt + token.length);
  const headers = readHeaders(before + noToken + after, 0);
  return headers && { tenantId: Buffer.from(tenantId).toString(), before, after, headers };
}

/**
 * The token between the two texts; undefined: they are not what stands around it. The first line break after the token's
 * beginning is its end, so no header that was not there before can hide in it.
 */
function tokenBetween(text: string, from: number, { after, before }: Repeated): string | undefined {
  const tokenAt = from + before.length;
  const tokenEnd = text.length - after.length;
  if (tokenEnd <= tokenAt || !text.startsWith(before, from) || !text.endsWith(after)) return undefined;
  return text.indexOf('\r\n', tokenAt) === tokenEnd ? text.slice(tokenAt, tokenEnd) : undefined;
}

export function createLaneReader(): LaneReader {
  let repeated: Repeated | undefined;
  let untilNext = 0;
  return (bytes) => {
    if (!mayBeRequest(bytes)) return undefined;
    const text = bytes.toString('latin1');
    const line = readRequestLine(text, repeated?.tenantId);
    if (line === undefined) return undefined;
    if (repeated !== undefined) {
      const token = tokenBetween(text, line.end, repeated);
      if (token !== undefined) return joinRequest(line, repeated.headers, token);
    }
    const headers = readHeaders(text, line.end);
    if (headers === undefined) return undefined;
    const request = joinRequest(line, headers, headers.token);
    if (request === undefined) return undefined;
    if (untilNext === 0) repeated = repeatedOf(bytes, line.tenantId, line.end, headers);
    untilNext = untilNext === 0 ? requestsBetween : untilNext - 1;
    return request;
  };
}
