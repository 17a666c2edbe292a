/** An answer that tells how far its work is, until it is done. */

import type { After } from '../../../joining.ts';

const encoder = new TextEncoder();
const line = (value: unknown): Uint8Array => encoder.encode(`${JSON.stringify(value)}\n`);

const pause = (ms: number, signal: AbortSignal): Promise<undefined> =>
  new Promise((resolve) => {
    const timer = setTimeout(() => resolve(undefined), ms);
    signal.addEventListener('abort', () => clearTimeout(timer));
  });

/**
 * NDJSON: what `work` notes last, every so often, and what it resolves to as the last line. The work goes on when
 * nobody reads any more; it must not reject.
 */
export async function* progressLines<T>(
  after: After,
  work: (note: (value: unknown) => void) => Promise<T>,
  everyMs: number,
): AsyncGenerator<Uint8Array> {
  let noted: unknown;
  const done = work((value) => {
    noted = value;
  }).then((result) => ({ result }));
  after(done);
  for (;;) {
    const waiting = new AbortController();
    const end = await Promise.race([done, pause(everyMs, waiting.signal)]);
    waiting.abort();
    if (end) {
      yield line(end.result);
      return;
    }
    if (noted !== undefined) yield line(noted);
  }
}
