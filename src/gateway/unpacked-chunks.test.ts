import { randomBytes } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { mebibyte } from '../limits.ts';
import { ProblemError, problem } from '../problems.ts';
import { unpackedChunks } from './unpacked-chunks.ts';

const limitBytes = 100 * mebibyte;

interface Source {
  readonly chunks: AsyncIterable<Uint8Array>;
  taken(): number;
  isLeft(): boolean;
}

/** Bytes as a network brings them; what was taken of them so far, and whether the rest was given up. */
function sourceOf(bytes: Uint8Array, chunkBytes: number, last?: () => Promise<void>): Source {
  let taken = 0;
  let isLeft = false;
  async function* chunks() {
    try {
      for (; taken < bytes.length; ) {
        const chunk = bytes.subarray(taken, taken + chunkBytes);
        taken += chunk.length;
        yield chunk;
      }
      await last?.();
    } finally {
      isLeft = true;
    }
  }
  return { chunks: chunks(), taken: () => taken, isLeft: () => isLeft };
}

async function all(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const chunk of chunks) parts.push(chunk);
  return Buffer.concat(parts);
}

/** 20 MB that are packed 40 to 1, so that the platform's buffers hold a small part of either. */
const wide = (): Buffer =>
  gzipSync(
    Array.from({ length: 40_000 }, () => `${randomBytes(8).toString('hex')}${'x'.repeat(484)}`).join(''),
  );

const codeOf = async (unpacked: Promise<unknown>): Promise<string | undefined> =>
  unpacked.then(
    () => undefined,
    (error: ProblemError) => error.problem.errors?.[0]?.code ?? error.problem.slug,
  );

describe('gzip that is unpacked while it comes', () => {
  afterEach(() => {
    vi.unstubAllGlobals();
  });

  it('is what was packed, in whatever chunks it comes', async () => {
    const plain = Buffer.concat([randomBytes(30_000), Buffer.alloc(1_000_000, 32), randomBytes(5)]);
    const packed = gzipSync(plain);
    for (const chunkBytes of [100, 4_096, 4_097, packed.length])
      expect((await all(unpackedChunks(sourceOf(packed, chunkBytes).chunks, limitBytes))).equals(plain)).toBe(
        true,
      );
    expect(await all(unpackedChunks(sourceOf(gzipSync(''), 100).chunks, limitBytes))).toHaveLength(0);
  });

  it('is given to the unpacker in slices that become some 4 MiB at most', async () => {
    const slices: number[] = [];
    const { DecompressionStream: Unpacker } = globalThis;
    // The platform's own unpacker, with a look at what it is given.
    class Watched {
      readonly readable: ReadableStream;
      readonly writable: WritableStream;
      constructor(format: CompressionFormat) {
        const watch = new TransformStream<Uint8Array, BufferSource>({
          transform: (chunk, controller) => {
            slices.push(chunk.byteLength);
            controller.enqueue(new Uint8Array(chunk));
          },
        });
        this.writable = watch.writable;
        this.readable = watch.readable.pipeThrough(new Unpacker(format));
      }
    }
    vi.stubGlobal('DecompressionStream', Watched);
    const packed = gzipSync(randomBytes(200_000));
    let size = 0;
    for await (const chunk of unpackedChunks(sourceOf(packed, 65_536).chunks, limitBytes))
      size += chunk.length;
    expect(size).toBe(200_000);
    expect(slices.reduce((sum, length) => sum + length, 0)).toBe(packed.length);
    expect(Math.max(...slices)).toBeLessThanOrEqual(4_096);
  });

  it('is taken from the network no faster than it is read', async () => {
    const packed = wide();
    const source = sourceOf(packed, 1_000);
    const unpacked = unpackedChunks(source.chunks, limitBytes);
    let size = 0;
    while (size < 2_000_000) size += (await unpacked.next()).value?.length ?? 0;
    for (let turn = 0; turn < 50; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    expect(source.taken()).toBeLessThan(packed.length / 2);
    await unpacked.return(undefined);
    await vi.waitFor(() => expect(source.isLeft()).toBe(true));
  });

  it('is refused beyond its limit, before the rest is taken', async () => {
    const packed = wide();
    const source = sourceOf(packed, 1_000);
    expect(await codeOf(all(unpackedChunks(source.chunks, mebibyte)))).toBe('payload-too-large');
    expect(source.taken()).toBeLessThan(packed.length / 2);
    await vi.waitFor(() => expect(source.isLeft()).toBe(true));
  });

  it.each([
    ['no gzip', Buffer.from('{"id":1}')],
    ['nothing', Buffer.alloc(0)],
    ['cut off', gzipSync(randomBytes(100_000)).subarray(0, -4)],
    ['followed by something', Buffer.concat([gzipSync('x'), Buffer.from('more')])],
    [
      'broken inside',
      Buffer.concat([gzipSync(randomBytes(50_000)).subarray(0, 40_000), Buffer.alloc(9_000, 255)]),
    ],
  ])('that is %s is named as such', async (_what, bytes) => {
    const source = sourceOf(bytes, 1_000);
    expect(await codeOf(all(unpackedChunks(source.chunks, limitBytes)))).toBe('INVALID_GZIP');
    await vi.waitFor(() => expect(source.isLeft()).toBe(true));
  });

  it('hands on the problem of its source', async () => {
    const fault = new ProblemError(problem('invalid-request', 'The caller went away.'));
    const source = sourceOf(gzipSync('{"id":1}').subarray(0, -3), 1_000, () => Promise.reject(fault));
    await expect(all(unpackedChunks(source.chunks, limitBytes))).rejects.toBe(fault);
  });

  it('that is left while more of it is ready ends nothing else', async () => {
    const packed = gzipSync(Buffer.alloc(mebibyte, 120));
    const leaveAfter = async (chunks: number): Promise<void> => {
      const unpacked = unpackedChunks(sourceOf(packed, 65_536).chunks, limitBytes);
      for (let nth = 1; nth < chunks; nth += 1) await unpacked.next();
      // Node's buffers fill up, and the next read makes it go on.
      await new Promise((resolve) => setTimeout(resolve, 20));
      await unpacked.next();
      await unpacked.return(undefined);
    };
    const uncaught: unknown[] = [];
    const note = (error: unknown): void => void uncaught.push(error);
    process.on('uncaughtException', note);
    try {
      await Promise.all(Array.from({ length: 40 }, (_, nth) => leaveAfter(nth + 1)));
      await new Promise((resolve) => setTimeout(resolve, 50));
    } finally {
      process.off('uncaughtException', note);
    }
    expect(uncaught).toEqual([]);
  });

  it('gives what it has while the rest is awaited', async () => {
    const packed = gzipSync(randomBytes(100_000));
    const rest = Promise.withResolvers<void>();
    const source = sourceOf(packed.subarray(0, 60_000), 60_000, () => rest.promise);
    let size = 0;
    const read = (async () => {
      for await (const chunk of unpackedChunks(source.chunks, limitBytes)) size += chunk.length;
    })();
    await vi.waitFor(() => expect(size).toBeGreaterThan(50_000));
    rest.resolve();
    expect(await codeOf(read)).toBe('INVALID_GZIP');
  });
});
