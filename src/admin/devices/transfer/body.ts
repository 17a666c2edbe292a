import { boundedChunks, tooLarge } from '../../../gateway/body.ts';
import type { IncomingBody } from '../../../gateway/listener.ts';
import { importBodyBytes, importTotalMs } from '../../../limits.ts';
import { ProblemError, problem } from '../../../problems.ts';
import { invalidField } from '../../schemas.ts';
import type { Format } from './read-rows.ts';

/** The body of an import: what it is, and its bytes as they come, within limits. */

const unsupported = (detail: string): ProblemError =>
  new ProblemError(problem('unsupported-media-type', detail));

const formats: Readonly<Record<string, Format>> = { 'text/csv': 'csv', 'application/x-ndjson': 'ndjson' };

/** NDJSON if unsaid (contract section 8). Throws `ProblemError` for what is neither. */
export function formatOf(contentType: string | undefined): Format {
  if (contentType === undefined) return 'ndjson';
  const [type = '', ...parameters] = contentType.toLowerCase().split(';');
  const format = formats[type.trim()];
  const charset = parameters
    .find((one) => one.trim().startsWith('charset='))
    ?.replace(/^.*=\s*"?|"?\s*$/g, '');
  if (format === undefined || !['utf-8', 'utf8', 'us-ascii', undefined].includes(charset))
    throw unsupported('Send text/csv or application/x-ndjson, in UTF-8.');
  return format;
}

/** True for gzip. Throws `ProblemError` for other codings. */
export function isPacked(contentEncoding: string | undefined): boolean {
  const coding = contentEncoding?.trim().toLowerCase() ?? 'identity';
  if (!['gzip', 'identity'].includes(coding))
    throw unsupported('The body may be packed with gzip, by no other Content-Encoding.');
  return coding === 'gzip';
}

const wentAway = (): ProblemError =>
  new ProblemError(problem('invalid-request', 'The caller went away in the middle of the body.'));

/** A connection that breaks is the caller's fault, not the database's. */
async function* received(body: IncomingBody): AsyncGenerator<Uint8Array> {
  try {
    yield* boundedChunks(body.chunks, importBodyBytes, importTotalMs);
  } catch (error) {
    throw error instanceof ProblemError ? error : wentAway();
  }
}

const noGzip = (): ProblemError =>
  invalidField('body', 'is not gzip, or cut off, although Content-Encoding says gzip', 'INVALID_GZIP');

async function* unpacked(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  // What breaks the source breaks the stream behind it with an error of its own.
  let broken: unknown;
  const source = chunks[Symbol.asyncIterator]();
  const packed = new ReadableStream<BufferSource>({
    pull: async (controller) => {
      try {
        const { done, value } = await source.next();
        if (done) controller.close();
        else controller.enqueue(new Uint8Array(value));
      } catch (error) {
        broken = error;
        controller.error(error);
      }
    },
    cancel: async () => {
      await source.return?.(undefined);
    },
  });
  let size = 0;
  try {
    for await (const chunk of packed.pipeThrough(new DecompressionStream('gzip'))) {
      size += chunk.byteLength;
      if (size > importBodyBytes) throw tooLarge(importBodyBytes);
      yield chunk;
    }
  } catch (error) {
    throw broken ?? (error instanceof ProblemError ? error : noGzip());
  }
}

export function importBytes(body: IncomingBody, packed: boolean): AsyncIterable<Uint8Array> {
  if ((body.length ?? 0) > importBodyBytes) throw tooLarge(importBodyBytes);
  const chunks = received(body);
  return packed ? unpacked(chunks) : chunks;
}
