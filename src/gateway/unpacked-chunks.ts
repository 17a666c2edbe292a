/**
 * Unpacks a gzip while it comes. A small body may become a huge one, and an unpacker may unpack all that it is given at
 * once: that of workerd has no backpressure. So it is given a slice at a time, and the next one when its reader has had
 * everything that came of the last.
 */

import { ProblemError, problem } from '../problems.ts';
import { soon } from '../untrusted/turns.ts';
import { tooLarge } from './body.ts';

/** Deflate packs 1,032 to 1 at best: a slice becomes 4 MiB at most. */
const sliceBytes = 4_096;

async function* slicesOf(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  for await (const chunk of chunks)
    for (let at = 0; at < chunk.length; at += sliceBytes) yield chunk.slice(at, at + sliceBytes);
}

const nextTurn = (): Promise<void> => new Promise((resolve) => soon(resolve));

interface Demand {
  /** Reads from the unpacker. */
  read<T>(reader: ReadableStreamDefaultReader<T>): Promise<ReadableStreamReadResult<T>>;
  /**
   * Resolves when a read has waited for a whole turn of the event loop. Where the unpacker works at once (workerd) nothing
   * unpacked is left then; where it works beside the loop (Node) it has backpressure of its own.
   */
  isDry(): Promise<void>;
}

function createDemand(): Demand {
  let reads = 0;
  let isReading = false;
  let asked = Promise.withResolvers<void>();
  return {
    read: async (reader) => {
      reads += 1;
      isReading = true;
      asked.resolve();
      try {
        return await reader.read();
      } finally {
        isReading = false;
        asked = Promise.withResolvers<void>();
      }
    },
    isDry: async () => {
      let seen: number;
      do {
        await asked.promise;
        seen = reads;
        await nextTurn();
      } while (!isReading || seen !== reads);
    },
  };
}

const noGzip = (): ProblemError => {
  const description = 'is not gzip, or cut off, although Content-Encoding says gzip';
  return new ProblemError(
    problem('invalid-request', `body: ${description}`, {
      errors: [{ code: 'INVALID_GZIP', field: 'body', description }],
    }),
  );
};

/** Throws `ProblemError` for what is no gzip and for what unpacks to more than the limit, and what the source throws. */
export async function* unpackedChunks(
  chunks: AsyncIterable<Uint8Array>,
  limitBytes: number,
): AsyncGenerator<Uint8Array> {
  // An error of the source breaks the stream behind it with an error of its own.
  let broken: unknown;
  const source = slicesOf(chunks);
  const demand = createDemand();
  const packed = new ReadableStream<BufferSource>(
    {
      pull: async (controller) => {
        await demand.isDry();
        try {
          const { done, value } = await source.next();
          if (done) controller.close();
          else controller.enqueue(value);
        } catch (error) {
          broken = error;
          controller.error(error);
        }
      },
      cancel: async () => {
        await source.return(undefined);
      },
    },
    { highWaterMark: 0 },
  );
  const reader = packed.pipeThrough(new DecompressionStream('gzip')).getReader();
  let size = 0;
  try {
    for (;;) {
      const { done, value } = await demand.read(reader);
      if (done) return;
      size += value.byteLength;
      if (size > limitBytes) throw tooLarge(limitBytes);
      yield value;
    }
  } catch (error) {
    throw broken ?? (error instanceof ProblemError ? error : noGzip());
  } finally {
    // Node's unpacker that is cancelled behind a read may still hand on a chunk, and that it cannot ends the process.
    soon(() => reader.cancel().catch(() => undefined));
  }
}
