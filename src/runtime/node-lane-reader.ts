import { createKeepingPace } from '../outbound/keeping-pace.ts';
import { readGuid, readLowerGuidBytes } from '../routing/guid-words.ts';
import { type RouteKey, routeKey } from '../routing/route-table.ts';
import {
  guidCharacters,
  joinRequest,
  type LaneRequest,
  mayBeRequest,
  type ReadHeaders,
  type RequestLine,
  readHeaders,
  readRequestLine,
} from './node-lane-request.ts';

/**
 * Reads the requests of one connection, each as `readUnprovedRequest` reads it alone. A caller sends the same with each
 * of its requests, but for the device and, once an hour, the token: where everything else is to the letter what it was
 * in the request before, it is not read again. What is kept of a request has no token in it.
 */
export type LaneReader = (bytes: Buffer) => LaneRequest | undefined;

/** A request without its device and its token: what stands before, between and behind the two. */
interface Repeated {
  readonly before: string;
  readonly between: string;
  /** Begins with the line break that ends the token. */
  readonly after: string;
  readonly line: RequestLine;
  readonly headers: ReadHeaders;
  /** The tenant's words; those of the device are of the request that was read last. */
  readonly key: RouteKey;
}

const lineBreak = '\r\n';
/** What stands for the token in what is kept. */
const noToken = 'x';

/** Made of copies: a part of the request's own text would keep the whole of it, the token too. */
function repeatedOf(bytes: Buffer, read: RequestLine, { token, tokenAt }: ReadHeaders): Repeated | undefined {
  const before = bytes.toString('latin1', 0, read.deviceAt);
  const between = bytes.toString('latin1', read.deviceAt + guidCharacters, tokenAt);
  const after = bytes.toString('latin1', tokenAt + token.length);
  const text = `${before}${read.deviceId}${between}${noToken}${after}`;
  const line = readRequestLine(text);
  const headers = line && readHeaders(text, line.end);
  const key = routeKey();
  return line && headers && readGuid(line.tenantId, key, 0)
    ? { before, between, after, line, headers, key }
    : undefined;
}

/** The request that differs from the one that was kept in nothing but device and token; undefined: it is none such. */
function readRepeated(bytes: Buffer, repeated: Repeated): LaneRequest | undefined {
  const { after, before, between, headers, key, line } = repeated;
  const deviceEnd = before.length + guidCharacters;
  const tokenAt = deviceEnd + between.length;
  const tokenEnd = bytes.length - after.length;
  if (tokenEnd <= tokenAt) return undefined;
  if (bytes.toString('latin1', 0, before.length) !== before) return undefined;
  if (bytes.toString('latin1', deviceEnd, tokenAt) !== between) return undefined;
  if (bytes.toString('latin1', tokenEnd) !== after) return undefined;
  const token = bytes.toString('latin1', tokenAt, tokenEnd);
  // It ends with its line: nothing that was not there before hides in it.
  if (token.includes(lineBreak) || !readLowerGuidBytes(bytes, before.length, key, 4)) return undefined;
  const deviceId = bytes.toString('latin1', before.length, deviceEnd);
  return joinRequest(line, deviceId, headers, token, { headers, key });
}

export function createLaneReader(): LaneReader {
  const pace = createKeepingPace();
  let repeated: Repeated | undefined;
  return (bytes) => {
    if (!mayBeRequest(bytes)) return undefined;
    const again = repeated && readRepeated(bytes, repeated);
    if (again !== undefined) {
      pace.served();
      return again;
    }
    const text = bytes.toString('latin1');
    const line = readRequestLine(text);
    const headers = line && readHeaders(text, line.end);
    if (line === undefined || headers === undefined) return undefined;
    const request = joinRequest(line, line.deviceId, headers, headers.token, undefined);
    if (request === undefined) return undefined;
    repeated = pace.keepNext(repeated !== undefined) ? repeatedOf(bytes, line, headers) : undefined;
    return request;
  };
}
