/**
 * Reads the client certificate that a balancer hands over in a header, in each form that balancers have: RFC 9440, Envoy's
 * `x-forwarded-client-cert`, PEM (escaped as in a URL, or with spaces for its line ends), and bare base64. What is read
 * is only bytes: a certificate is public, and whoever shows one has proved nothing yet.
 */

export interface HandedOver {
  /** DER. */
  readonly leaf: Buffer;
  /** DER, as the balancer gives them: in any order, and perhaps with the leaf among them. */
  readonly intermediates: readonly Buffer[];
}

/** The client's own and those between it and the authority. */
const maxCertificates = 6;

/** Undefined: it is no base64 of a certificate's first byte. Node's decoder skips what it does not know. */
function base64(text: string): Buffer | undefined {
  const isBase64 = text.length % 4 === 0 && /^[A-Za-z0-9+/]+={0,2}$/.test(text);
  const der = isBase64 ? Buffer.from(text, 'base64') : undefined;
  return der?.[0] === 0x30 ? der : undefined;
}

function every<T>(items: readonly (T | undefined)[]): readonly T[] | undefined {
  const found = items.filter((item) => item !== undefined);
  return found.length === items.length ? found : undefined;
}

const pemBlock = /-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----/g;

function pems(text: string): readonly Buffer[] | undefined {
  if (text.replace(pemBlock, '').trim() !== '') return undefined;
  return every([...text.matchAll(pemBlock)].map(([, body = '']) => base64(body.replace(/\s/g, ''))));
}

/** A plus sign stays one: it stands in base64, which some balancers escape and others do not. */
function unescaped(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

/** PEM, or base64 with commas between. */
function plain(value: string): readonly Buffer[] | undefined {
  const text = value.includes('%') ? unescaped(value) : value;
  if (text === undefined) return undefined;
  if (text.includes('-----')) return pems(text);
  return every(text.split(',').map((one) => base64(one.trim())));
}

/** A list of byte sequences (RFC 8941, 3.3.5), without parameters. */
const sequences = (value: string): readonly Buffer[] | undefined =>
  every(value.split(',').map((one) => base64(/^:([^:]*):$/.exec(one.trim())?.[1] ?? '')));

const xfccPair = String.raw`[A-Za-z]+=(?:"(?:[^"\\]|\\.)*"|[^",;]*)`;
const xfccElement = new RegExp(`^${xfccPair}(?:;${xfccPair})*$`);
const xfccPairs = /([A-Za-z]+)=(?:"((?:[^"\\]|\\.)*)"|([^",;]*))/g;

/** One element: with several, whoever stands before the balancer wrote some of them. */
function ofEnvoy(value: string): readonly Buffer[] | undefined {
  if (!xfccElement.test(value)) return undefined;
  const found = new Map<string, string>();
  for (const [, name = '', inQuotes, bare] of value.matchAll(xfccPairs)) {
    const key = name.toLowerCase();
    if (key !== 'cert' && key !== 'chain') continue;
    if (found.has(key)) return undefined;
    found.set(key, (inQuotes ?? bare ?? '').replace(/\\(.)/g, '$1'));
  }
  const lists = every(
    [found.get('cert'), found.get('chain')]
      .filter((text) => text !== undefined)
      .map((text) => pems(unescaped(text) ?? '-')),
  );
  return lists?.flat();
}

/** `chain`: the value of `Client-Cert-Chain` (RFC 9440, 2.3). Undefined: it is no certificate in any of the forms. */
export function readCertificateHeader(value: string, chain?: string): HandedOver | undefined {
  const text = value.trim();
  const own = text.startsWith(':')
    ? sequences(text)
    : /^(?:By|Hash|Cert|Chain|Subject|URI|DNS)=/i.test(text)
      ? ofEnvoy(text)
      : plain(text);
  if (own === undefined || (text.startsWith(':') && own.length !== 1)) return undefined;
  const more = chain === undefined || chain.trim() === '' ? [] : sequences(chain);
  const [leaf, ...others] = own;
  if (leaf === undefined || more === undefined || own.length + more.length > maxCertificates)
    return undefined;
  return { leaf, intermediates: [...others, ...more] };
}

/** Names that a program in between may take for the same: CGI makes one variable of them (RFC 3875, 4.1.18). */
const asVariable = (name: string): string => name.toLowerCase().replace(/[^a-z0-9]/g, '_');

/** How the headers of a request name it; `isDoubtful`: more than once, or in a spelling that is only like it. */
export function findHeader(
  rawHeaders: readonly string[],
  name: string,
): { readonly value: string | undefined; readonly isDoubtful: boolean } {
  const wanted = asVariable(name);
  let value: string | undefined;
  let count = 0;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const given = rawHeaders[index] ?? '';
    if (given.length !== name.length || asVariable(given) !== wanted) continue;
    count += 1;
    if (given.toLowerCase() === name) value = rawHeaders[index + 1];
  }
  return { value, isDoubtful: count > 1 || (count === 1 && value === undefined) };
}
