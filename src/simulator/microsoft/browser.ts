import { request } from 'node:https';
import { rootCertificates } from 'node:tls';
import type { CloudContext } from './context.ts';
import type { IntuneTenant } from './intune-state.ts';

/** Visit of a user to one of the partner's pages: domain/microsoft.md 7 and 11.18. */
export interface PageVisit {
  /** `enroll`: from the block page of an unknown Mac; `remediate`: "Check compliance" of a known one. */
  readonly kind: 'enroll' | 'remediate';
  /** Added to the address, a string as it is; Microsoft documents no parameter. */
  readonly query?: string | Readonly<Record<string, string>> | undefined;
  /** Puts another tenant's id in the place of the tenant's own. */
  readonly asTenantId?: string | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Certificates (PEM) to trust for this visit, besides the cloud's setting. */
  readonly caPem?: string | undefined;
  /** Goes where redirects lead, as a browser does; else the first answer is the result. */
  readonly follow?: boolean | undefined;
}

export type VisitResult =
  | {
      readonly kind: 'answered';
      readonly url: string;
      /** The addresses that led here by a redirect, in order. */
      readonly hops: readonly string[];
      readonly status: number;
      readonly headers: Readonly<Record<string, string | readonly string[]>>;
      readonly body: string;
    }
  /** The tenant was never provisioned with such an address. */
  | { readonly kind: 'no-address' }
  | { readonly kind: 'unreachable'; readonly url: string; readonly detail: string };

const visitTimeoutMs = 10_000;
/** A browser gives up after some twenty; nothing here needs more than two. */
const maxRedirects = 5;
const longestBodyBytes = 1_000_000;

function addressOf(tenant: IntuneTenant, visit: PageVisit): URL | undefined {
  const provisioned = visit.kind === 'enroll' ? tenant.enrollmentUrl : tenant.remediationUrl;
  if (provisioned === null) return undefined;
  const url = new URL(
    visit.asTenantId === undefined ? provisioned : provisioned.replaceAll(tenant.tenantId, visit.asTenantId),
  );
  const { query = '' } = visit;
  const added = typeof query === 'string' ? query : new URLSearchParams(query).toString();
  if (added !== '') url.search = url.search === '' ? added : `${url.search}&${added}`;
  return url;
}

function get(
  url: URL,
  ca: readonly string[],
  headers: Readonly<Record<string, string>>,
): Promise<VisitResult> {
  return new Promise((resolve) => {
    const unreachable = (error: Error): void =>
      resolve({ kind: 'unreachable', url: url.href, detail: error.message });
    // A connection of its own: what another visit trusted must not count here.
    const options = { agent: false, ca: [...ca], headers, timeout: visitTimeoutMs };
    const outgoing = request(url, options, (incoming) => {
      const chunks: Buffer[] = [];
      let bytes = 0;
      incoming.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > longestBodyBytes) incoming.destroy(new Error(`more than ${longestBodyBytes} bytes`));
        else chunks.push(chunk);
      });
      incoming.on('error', unreachable);
      incoming.on('end', () =>
        resolve({
          kind: 'answered',
          url: url.href,
          hops: [],
          status: incoming.statusCode ?? 0,
          headers: Object.fromEntries(
            Object.entries(incoming.headers).flatMap(([name, value]) =>
              value === undefined ? [] : [[name, value]],
            ),
          ),
          body: Buffer.concat(chunks).toString('utf8'),
        }),
      );
    });
    outgoing.on('timeout', () => outgoing.destroy(new Error(`no answer in ${visitTimeoutMs} ms`)));
    outgoing.on('error', unreachable);
    outgoing.end();
  });
}

/** Address that an answer sends a browser to; only https, as a browser on a page of https would warn. */
function redirectOf(result: VisitResult): URL | undefined {
  if (result.kind !== 'answered' || ![301, 302, 303, 307, 308].includes(result.status)) return undefined;
  const { location } = result.headers;
  if (typeof location !== 'string' || !URL.canParse(location, result.url)) return undefined;
  const next = new URL(location, result.url);
  return next.protocol === 'https:' ? next : undefined;
}

/** Opens the page that the tenant was provisioned with. */
export async function browsePartnerPage(
  cloud: CloudContext,
  tenant: IntuneTenant,
  visit: PageVisit,
): Promise<VisitResult> {
  const url = addressOf(tenant, visit);
  if (!url) return { kind: 'no-address' };
  const { browserTrustPem } = cloud.settings;
  const trusted = [cloud.authorityPem, browserTrustPem, visit.caPem].filter(
    (pem): pem is string => typeof pem === 'string',
  );
  const open = (address: URL): Promise<VisitResult> =>
    get(address, [...rootCertificates, ...trusted], {
      accept: 'text/html,application/xhtml+xml',
      'accept-language': 'en',
      'user-agent': 'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Safari/605.1.15',
      ...visit.headers,
    });
  const hops: string[] = [];
  let result = await open(url);
  while (visit.follow === true && result.kind === 'answered') {
    const next = redirectOf(result);
    if (!next) break;
    if (hops.length >= maxRedirects)
      return { kind: 'unreachable', url: result.url, detail: 'too many redirects' };
    hops.push(result.url);
    result = await open(next);
  }
  return result.kind === 'answered' ? { ...result, hops } : result;
}
