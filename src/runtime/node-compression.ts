/**
 * Compresses the admin listener's pages. The size of a compressed answer says something of what is in it, so that an attacker who
 * has a person's browser ask for pages with texts of his choice, and sees how long the answers are, could learn a secret of
 * the page (BREACH). Two things stand against that: only what no other site asked for is compressed, and pages hold no
 * secret that stays (`maskedToken`, admin/operators/csrf.ts). JSON is left as it is, and so are streams.
 */

import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { takesGzip } from '../gateway/accepted-encoding.ts';

const pack = promisify(gzip);

/** A smaller answer fits into one packet either way. */
const leastBytes = 1_024;

/** By the browser's own word (Fetch Metadata) one of our pages asked, or the person himself; or no session came with it. */
const isOwn = ({ headers }: Request): boolean =>
  ['same-origin', 'none'].includes(headers.get('sec-fetch-site') ?? '') || !headers.has('cookie');

const isPage = ({ body, headers }: Response): boolean =>
  body !== null &&
  /^text\/html\b/i.test(headers.get('content-type') ?? '') &&
  !headers.has('content-encoding');

type Fetch<Bindings> = (request: Request, bindings: Bindings) => Response | Promise<Response>;

/** The same app, whose pages are compressed for whom takes it so. */
export const compressingPages =
  <Bindings>(fetch: Fetch<Bindings>): Fetch<Bindings> =>
  async (request, bindings) => {
    const answer = await fetch(request, bindings);
    if (request.method === 'HEAD' || !isPage(answer)) return answer;
    answer.headers.append('vary', 'accept-encoding, sec-fetch-site');
    if (!takesGzip(request.headers.get('accept-encoding')) || !isOwn(request)) return answer;
    const bytes = new Uint8Array(await answer.arrayBuffer());
    const headers = new Headers(answer.headers);
    headers.delete('content-length');
    if (bytes.byteLength < leastBytes) return new Response(bytes, { status: answer.status, headers });
    headers.set('content-encoding', 'gzip');
    // Off the main thread, which device calls need.
    return new Response(await pack(bytes), { status: answer.status, headers });
  };
