import { type HeaderOf, linesAfterRequestId, linesBeforeRequestId } from '../../forwarding/headers.ts';
import type { CallSpan } from '../../telemetry/http-spans.ts';
import type { LaneRequest } from './reader.ts';

/** Header lines for instances, of the calls of one connection: those of a caller that repeats itself are kept. */
export type InstanceLines = (
  request: LaneRequest,
  /** Espalier's own token of the instance. */
  token: string,
  requestId: string,
  span: CallSpan | undefined,
) => string;

/** Instances of one tenant that calls of a connection go to in turns. */
const keptTokens = 16;

const headerOf =
  (request: LaneRequest, span: CallSpan | undefined): HeaderOf =>
  (name) => {
    switch (name) {
      case 'accept':
        return request.accept;
      case 'accept-language':
        return request.acceptLanguage;
      case 'traceparent':
        return span?.traceparent ?? request.traceparent;
      case 'tracestate':
        return request.tracestate;
      default:
        return undefined;
    }
  };

/** The same text in one piece: one that is put together of pieces is walked through each time that it is written. */
export const inOnePiece = (text: string): string => Buffer.from(text, 'latin1').toString('latin1');

export function createInstanceLines(): InstanceLines {
  let callers: object | undefined;
  const byToken = new Map<string, string>();
  const kept = (request: LaneRequest, headers: object, token: string): string => {
    if (headers !== callers || byToken.size >= keptTokens) byToken.clear();
    callers = headers;
    const lines = inOnePiece(linesBeforeRequestId(headerOf(request, undefined), token));
    byToken.set(token, lines);
    return lines;
  };
  return (request, token, requestId, span) => {
    const headers = request.repeats?.headers;
    if (headers === undefined || span !== undefined)
      return linesBeforeRequestId(headerOf(request, span), token) + requestId + linesAfterRequestId;
    const known = headers === callers ? byToken.get(token) : undefined;
    return (known ?? kept(request, headers, token)) + requestId + linesAfterRequestId;
  };
}
