/** Lists of the admin API, page after page (contract section 8). */

import type { AdminApi } from '../admin-api.ts';
import { CommandFailure, exitCodes } from '../failure.ts';
import { isRow } from '../output/fields.ts';
import type { Page } from '../output/list.ts';

export interface Wanted {
  /** The single page to read; default: all of them. */
  readonly page: number | undefined;
  readonly pageSize: number | undefined;
  /** Upper bound on the rows of all pages together. */
  readonly limit: number | undefined;
}

/** Fewer calls than the API's own 100, short enough to show the first rows soon. */
const ownPageSize = 500;

function pageOf(answer: unknown): Page {
  if (isRow(answer) && typeof answer.totalCount === 'number' && Array.isArray(answer.results))
    return { totalCount: answer.totalCount, results: answer.results.filter(isRow) };
  throw new CommandFailure(exitCodes.error, 'the answer is not one of this version of Espalier');
}

/** `pathFor` makes the path with the parameters of paging. */
export async function* pagesOf(
  api: AdminApi,
  pathFor: (paging: Readonly<Record<string, string>>) => string,
  { limit, page: only, pageSize }: Wanted,
): AsyncGenerator<Page> {
  const maxRows = limit ?? Number.POSITIVE_INFINITY;
  const size = pageSize ?? (only === undefined ? Math.max(1, Math.min(ownPageSize, maxRows)) : 100);
  let count = 0;
  for (let number = only ?? 0; ; number += 1) {
    const { results, totalCount } = pageOf(
      await api.call('GET', pathFor({ page: String(number), 'page-size': String(size) })),
    );
    const kept = results.slice(0, maxRows - count);
    count += kept.length;
    yield { totalCount, results: kept };
    const ended = results.length === 0 || count >= maxRows || (number + 1) * size >= totalCount;
    if (ended || only !== undefined) return;
  }
}
