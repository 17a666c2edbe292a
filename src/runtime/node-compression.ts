/**
 * Compresses the admin listener's pages. The size of a compressed answer says something of what is in it, so that an attacker who
 * has a person's browser ask for pages with texts of his choice, and sees how long the answers are, could learn a secret of
 * the page (BREACH). Two things stand against that: only what no other site asked for is compressed, and pages hold no
 * secret that stays (`maskedToken`, admin/operators/csrf.ts). JSON is left as it is, and so are streams.
 */

import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { LRUCache } from 'lru-cache';
import { takesGzip } from '../gateway/accepted-encoding.ts';

const pack = promisify(gzip);

/** Parts that everybody with the same rights is shown: with fifty open overviews one of fifty is compressed. */
const packedParts = { max: 16, ttl: 10_000 } as const;

/** A smaller answer fits into one packet either way. */
const leastCharacters = 1_024;

/** By the browser's own word (Fetch Metadata) one of our pages asked, or the person himself; or no session came with it. */
const isOwn = ({ headers }: Request): boolean =>
  ['same-origin', 'none'].includes(headers.get('sec-fetch-site') ?? '') || !headers.has('cookie');

const isPage = ({ body, headers }: Response): boolean =>
  body !== null &&
  /^text\/html\b/i.test(headers.get('content-type') ?? '') &&
  !headers.has('content-encoding');

type Fetch<Bindings> = (request: Request, bindings: Bindings) => Response | Promise<Response>;

/** The same app, whose pages are compressed for whom takes it so. */
export function compressingPages<Bindings>(fetch: Fetch<Bindings>): Fetch<Bindings> {
  const parts = new LRUCache<string, Promise<Buffer>>(packedParts);
  const packed = (text: string, isPart: boolean): Promise<Buffer> => {
    const known = parts.get(text);
    if (known !== undefined) return known;
    // Off the main thread, which device calls need.
    const packing = pack(text);
    if (isPart) parts.set(text, packing);
    return packing;
  };
  return async (request, bindings) => {
    const answer = await fetch(request, bindings);
    if (request.method === 'HEAD' || !isPage(answer)) return answer;
    answer.headers.append('vary', 'accept-encoding, sec-fetch-site');
    if (!takesGzip(request.headers.get('accept-encoding')) || !isOwn(request)) return answer;
    const text = await answer.text();
    const headers = new Headers(answer.headers);
    headers.delete('content-length');
    const { status } = answer;
    if (text.length < leastCharacters) return new Response(text, { status, headers });
    headers.set('content-encoding', 'gzip');
    const isPart = request.method === 'GET' && request.headers.get('hx-request') === 'true';
    return new Response(new Uint8Array(await packed(text, isPart)), { status, headers });
  };
}
