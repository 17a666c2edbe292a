/** Reading a request's body within limits: size, silence between two chunks, time in all. */

import { monotonicMs } from '../clock.ts';
import { within } from '../deadline.ts';
import { bodyIdleMs, bodyTotalMs } from '../limits.ts';
import { ProblemError, problem } from '../problems.ts';
import { joinChunks } from '../untrusted/join-chunks.ts';
import type { IncomingBody } from './listener.ts';

export const tooLarge = (limitBytes: number): ProblemError =>
  new ProblemError(problem('payload-too-large', `The body may be ${limitBytes} bytes at most.`));

export const tooSlow = (): ProblemError =>
  new ProblemError(
    problem('invalid-request', 'The body did not arrive in time.', {
      errors: [{ code: 'BODY_TIMEOUT', field: null, description: 'the body did not arrive in time' }],
    }),
  );

const throwTooSlow = (): never => {
  throw tooSlow();
};

/** The socket's own error would be taken for the database's. */
export const wentAway = (): ProblemError =>
  new ProblemError(problem('invalid-request', 'The caller went away in the middle of the body.'));

async function readStream(stream: ReadableStream<Uint8Array>, limitBytes: number): Promise<Uint8Array> {
  const reader = stream.getReader();
  const chunks: Uint8Array[] = [];
  const deadline = monotonicMs() + bodyTotalMs;
  let size = 0;
  try {
    for (;;) {
      const { done, value } = await within(
        reader.read(),
        Math.min(bodyIdleMs, Math.max(1, deadline - monotonicMs())),
        throwTooSlow,
      );
      if (done) break;
      size += value.byteLength;
      if (size > limitBytes) throw tooLarge(limitBytes);
      chunks.push(value);
    }
  } catch (error) {
    await reader.cancel().catch(() => undefined);
    throw error instanceof ProblemError ? error : wentAway();
  }
  return joinChunks(chunks, size);
}

/**
 * A body's chunks within the limits, for whoever passes them on; throws `ProblemError` as `readBody` does. The source
 * must not close its connection when it is left early: the answer goes there.
 */
export async function* boundedChunks(
  chunks: AsyncIterable<Uint8Array>,
  limitBytes: number,
  totalMs = bodyTotalMs,
): AsyncGenerator<Uint8Array> {
  const source = chunks[Symbol.asyncIterator]();
  // The time that we take to use a chunk does not count against the caller.
  let leftMs = totalMs;
  let size = 0;
  try {
    for (;;) {
      const askedMs = monotonicMs();
      const patience = Math.min(bodyIdleMs, Math.max(1, leftMs));
      const { done, value } = await within(source.next(), patience, throwTooSlow);
      if (done) return;
      leftMs -= monotonicMs() - askedMs;
      size += value.byteLength;
      if (size > limitBytes) throw tooLarge(limitBytes);
      yield value;
    }
  } finally {
    // It may still wait for a chunk that never comes; nothing depends on its end.
    source.return?.().catch(() => undefined);
  }
}

/** The body's bytes. Throws `ProblemError` with `payload-too-large` or `invalid-request`. */
export async function readBody(request: Request, limitBytes: number): Promise<Uint8Array> {
  const declared = Number(request.headers.get('content-length') ?? 0);
  if (declared > limitBytes) throw tooLarge(limitBytes);
  return request.body ? readStream(request.body, limitBytes) : new Uint8Array();
}

/** A body as it comes, within limits. A connection that breaks is the caller's fault, not the database's. */
export async function* receivedChunks(
  body: IncomingBody,
  limitBytes: number,
  totalMs = bodyTotalMs,
): AsyncGenerator<Uint8Array> {
  if ((body.length ?? 0) > limitBytes) throw tooLarge(limitBytes);
  try {
    yield* boundedChunks(body.chunks, limitBytes, totalMs);
  } catch (error) {
    throw error instanceof ProblemError ? error : wentAway();
  }
}

/** UTF-8 text. Throws `ProblemError` for bytes that are none. */
export function decodeText(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new ProblemError(
      problem('invalid-request', 'The body is not UTF-8.', {
        errors: [{ code: 'INVALID_ENCODING', field: null, description: 'the body is not UTF-8' }],
      }),
    );
  }
}
