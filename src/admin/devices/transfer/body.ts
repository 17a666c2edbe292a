import { receivedChunks, tooLarge } from '../../../gateway/body.ts';
import type { IncomingBody } from '../../../gateway/listener.ts';
import { unpackedChunks } from '../../../gateway/unpacked-chunks.ts';
import { importBodyBytes, importTotalMs } from '../../../limits.ts';
import { ProblemError, problem } from '../../../problems.ts';
import type { Format } from './read-rows.ts';

/** The body of an import: what it is, and its bytes as they come, within limits. */

const unsupported = (detail: string): ProblemError =>
  new ProblemError(problem('unsupported-media-type', detail));

const formats: Readonly<Record<string, Format>> = { 'text/csv': 'csv', 'application/x-ndjson': 'ndjson' };

/** Default: NDJSON (contract section 8). Throws `ProblemError` for what is neither. */
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

export function importBytes(body: IncomingBody, packed: boolean): AsyncIterable<Uint8Array> {
  if ((body.length ?? 0) > importBodyBytes) throw tooLarge(importBodyBytes);
  const chunks = receivedChunks(body, importBodyBytes, importTotalMs);
  return packed ? unpackedChunks(chunks, importBodyBytes) : chunks;
}
