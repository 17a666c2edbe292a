/** The part of a cloud that says where an Intune token may go. */
export interface IntuneHosts {
  /** `*.suffix`, at least one label below it, or an exact host as URLs write it. */
  readonly intuneHosts: readonly string[];
  readonly intunePort: number;
}

export type ServiceAddress =
  | { readonly ok: true; readonly url: string }
  | {
      readonly ok: false;
      readonly reason: 'not-a-url' | 'not-https' | 'user-info' | 'port' | 'host' | 'query';
      /** Host as URLs write it; empty when the text is no URL. */
      readonly host: string;
    };

const httpsPort = 443;
/** URL parsers drop these characters or turn them into slashes: in an address from a service they can only be a trick. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
const trickyCharacters = /[\u0000-\u0020\u007f-\u{10ffff}\\]/u;

function matches(pattern: string, hostname: string): boolean {
  const wanted = pattern.toLowerCase();
  if (!wanted.startsWith('*.')) return hostname === wanted;
  const suffix = wanted.slice(1);
  return hostname.endsWith(suffix) && /^[a-z0-9-]+(?:\.[a-z0-9-]+)*$/.test(hostname.slice(0, -suffix.length));
}

/**
 * Checks an address that discovery found before a bearer token goes there (domain/microsoft.md 3, SSRF rule;
 * contract section 4). Decided on the parsed URL, never on text: `https://good@evil/` has the host `evil`, and
 * `0x7f.1` is an address. The result has no trailing slash.
 */
export function checkServiceAddress(text: string, cloud: IntuneHosts): ServiceAddress {
  if (trickyCharacters.test(text) || !URL.canParse(text)) return { ok: false, reason: 'not-a-url', host: '' };
  const url = new URL(text);
  const { host, hostname } = url;
  if (url.protocol !== 'https:') return { ok: false, reason: 'not-https', host };
  if (url.username !== '' || url.password !== '') return { ok: false, reason: 'user-info', host };
  if (!cloud.intuneHosts.some((pattern) => matches(pattern, hostname)))
    return { ok: false, reason: 'host', host };
  if ((url.port === '' ? httpsPort : Number(url.port)) !== cloud.intunePort) {
    return { ok: false, reason: 'port', host };
  }
  // Keys and versions are appended to the path.
  if (/[?#]/.test(text)) return { ok: false, reason: 'query', host };
  return { ok: true, url: `${url.origin}${url.pathname.replace(/\/+$/, '')}` };
}
