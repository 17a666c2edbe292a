/** A caller's body on its way to an instance: a small one is held, so that it can be sent once more with a new token. */

import { replayableBodyBytes } from '../limits.ts';
import type { UpstreamBody } from '../outbound/upstream.ts';
import { type Problem, ProblemError } from '../problems.ts';
import { joinChunks } from '../untrusted/join-chunks.ts';

export interface ReadyBody {
  /** A body for one try; undefined when there is none left. */
  next(): UpstreamBody | undefined;
  readonly canReplay: boolean;
  /** Problem of the caller's stream, when a try failed because of it. */
  problem(): Problem | undefined;
}

export type ReadyResult =
  | { readonly ok: true; readonly body: ReadyBody | undefined }
  | { readonly ok: false; readonly problem: Problem };

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  if (bytes.byteLength > 0) yield bytes;
}

const held = (bytes: Uint8Array): ReadyBody => ({
  next: () => ({ length: bytes.byteLength, chunks: once(bytes) }),
  canReplay: true,
  problem: () => undefined,
});

/** The part that was read, and then the rest as it comes. */
function streamed(begun: Uint8Array, rest: AsyncIterator<Uint8Array>, length: number | undefined): ReadyBody {
  let problem: Problem | undefined;
  let isGiven = false;
  async function* chunks(): AsyncGenerator<Uint8Array> {
    try {
      yield begun;
      for (;;) {
        const { done, value } = await rest.next();
        if (done) return;
        yield value;
      }
    } catch (error) {
      if (error instanceof ProblemError) problem = error.problem;
      throw error;
    } finally {
      await rest.return?.();
    }
  }
  return {
    next: () => {
      if (isGiven) return undefined;
      isGiven = true;
      return { length, chunks: chunks() };
    },
    canReplay: false,
    problem: () => problem,
  };
}

/** Reads a body until it is whole or larger than what is held. Its chunks may throw `ProblemError`. */
export async function readyBody(body: UpstreamBody | undefined): Promise<ReadyResult> {
  if (!body) return { ok: true, body: undefined };
  const chunks: Uint8Array[] = [];
  const source = body.chunks[Symbol.asyncIterator]();
  let size = 0;
  try {
    for (;;) {
      const { done, value } = await source.next();
      if (done) return { ok: true, body: held(joinChunks(chunks, size)) };
      chunks.push(value);
      size += value.byteLength;
      if (size > replayableBodyBytes) {
        return { ok: true, body: streamed(joinChunks(chunks, size), source, body.length) };
      }
    }
  } catch (error) {
    if (error instanceof ProblemError) return { ok: false, problem: error.problem };
    throw error;
  }
}
