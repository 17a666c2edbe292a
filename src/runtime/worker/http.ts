/** This module knows what only Cloudflare knows of a request, and how an answer is streamed there. */

import { AsyncLocalStorage } from 'node:async_hooks';
import type { Context } from 'hono';
import type { StreamedAnswer } from '../../admin/context.ts';
import type { ForwardAnswer } from '../../forwarding/forward.ts';
import { readBody } from '../../gateway/body.ts';
import type { RequestFacts } from '../../gateway/listener.ts';
import type { After } from '../../joining.ts';
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

/** The platform asks for the parts of a body outside of any request: each is made as part of the one that began it. */
function streamOf(
  body: AsyncIterable<Uint8Array>,
  onEnd: () => Promise<void> = async () => undefined,
): ReadableStream<Uint8Array> {
  const chunks = body[Symbol.asyncIterator]();
  const inRequest = AsyncLocalStorage.snapshot();
  return new ReadableStream<Uint8Array>({
    pull: async (controller) => {
      const { done, value } = await inRequest(() => chunks.next()).catch(async (error: unknown) => {
        await onEnd();
        throw error;
      });
      if (!done) return controller.enqueue(value);
      controller.close();
      await onEnd();
    },
    cancel: async () => {
      await inRequest(() => chunks.return?.());
      await onEnd();
    },
  });
}

/** Streams an answer; a break of an instance's connection breaks the caller's. */
export function respondOnWorkers(
  _c: Context,
  { body, headers, onEnd, status }: ForwardAnswer & Pick<StreamedAnswer, 'onEnd'>,
): Response {
  return new Response(nullBodyStatuses.has(status) ? null : streamOf(body, onEnd), { status, headers });
}

/**
 * The answer, whose body counts as work of its request until it is taken, or given up: what makes it may ask the database. The
 * platform asks for the parts of a body outside of any request, so each is made as part of the request that began it.
 */
export function heldToItsEnd(answer: Response, after: After): Response {
  if (answer.body === null) return answer;
  const inRequest = AsyncLocalStorage.snapshot();
  const { promise, resolve: end } = Promise.withResolvers<void>();
  after(promise);
  const reader = answer.body.getReader();
  const body = new ReadableStream<Uint8Array>({
    pull: async (controller) => {
      try {
        const { done, value } = await inRequest(() => reader.read());
        if (!done) return controller.enqueue(value);
        controller.close();
      } catch (error) {
        controller.error(error);
      }
      end();
    },
    cancel: async (reason) => {
      await inRequest(() => reader.cancel(reason)).finally(end);
    },
  });
  return new Response(body, answer);
}
