/** This module knows what only Cloudflare knows of a request, and how an answer is streamed there. */

import type { Context } from 'hono';
import type { ForwardAnswer } from '../../forwarding/forward.ts';
import { readBody } from '../../gateway/body.ts';
import type { RequestFacts } from '../../gateway/listener.ts';
import { nullBodyStatuses } from '../../outbound/workers-upstream.ts';

/** The part of `request.cf` that speaks of the client certificate; all of it is text. */
interface TlsClientAuth {
  readonly certVerified?: string;
  readonly certRevoked?: string;
  readonly certFingerprintSHA256?: string;
}

const clientCertificate = (c: Context): TlsClientAuth | undefined =>
  (c.req.raw as Request & { readonly cf?: { readonly tlsClientAuth?: TlsClientAuth } }).cf?.tlsClientAuth;

async function* chunksOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  const reader = stream.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  } finally {
    reader.releaseLock();
  }
}

export const workerRequestFacts: RequestFacts = {
  /** Cloudflare joins repeated headers with a comma, which no single value that we count may hold. */
  headerCount: (c, name) => c.req.header(name)?.split(',').length ?? 0,
  readBody: (c, limitBytes) => readBody(c.req.raw, limitBytes),
  /** A request's URL is parsed before a Worker sees it: there is no other spelling. */
  target: (c) => c.req.url.slice(new URL(c.req.url).origin.length),
  body: (c) => {
    const { body, headers } = c.req.raw;
    if (!body) return undefined;
    const length = headers.get('content-length');
    return { length: length === null ? undefined : Number(length), chunks: chunksOf(body) };
  },
  // Cloudflare bounds requests itself, and ends what nobody takes.
  allowTime: () => undefined,
  breakOff: () => undefined,
  remoteAddress: (c) => c.req.header('cf-connecting-ip'),
  clientCertificateSha256: (c) => {
    const presented = clientCertificate(c);
    // A revoked certificate is still `SUCCESS`: both have to be looked at.
    if (presented?.certVerified !== 'SUCCESS' || presented.certRevoked === '1') return undefined;
    const fingerprint = presented.certFingerprintSHA256?.replaceAll(':', '').toLowerCase();
    return fingerprint === '' ? undefined : fingerprint;
  },
};

const streamOf = (body: AsyncIterable<Uint8Array>): ReadableStream<Uint8Array> => {
  const chunks = body[Symbol.asyncIterator]();
  return new ReadableStream<Uint8Array>({
    pull: async (controller) => {
      const { done, value } = await chunks.next();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    cancel: async () => {
      await chunks.return?.();
    },
  });
};

/** Streams a forwarded answer; a break of the instance's connection breaks the caller's. */
export function respondOnWorkers(_c: Context, { body, headers, status }: ForwardAnswer): Response {
  return new Response(nullBodyStatuses.has(status) ? null : streamOf(body), { status, headers });
}
