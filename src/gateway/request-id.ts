/** The id of a request in logs, answers and histories (`X-Request-Id`). */

import { newId } from '../ids.ts';

const hexBytes = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));
/** All but the last four digits of the ids of one batch. */
let batch = '';
let given = 0;
const batchSize = 65_536;

/**
 * Unique like `newId`, but no secret: whoever sees one can tell the next. Counting on from a random one costs a tenth of
 * making each anew, which counts where there is one for every call.
 */
export function newRequestId(): string {
  if (given % batchSize === 0) {
    batch = newId().slice(0, -4);
    given = 0;
  }
  const number = given;
  given += 1;
  return batch + hexBytes[number >> 8] + hexBytes[number & 255];
}

/** A caller's id goes on when it is a plain token; anything else would be a way into our logs and headers. */
export const requestIdOf = (asked: string | undefined): string =>
  asked !== undefined && /^[A-Za-z0-9._:-]{1,128}$/.test(asked) ? asked : newRequestId();
