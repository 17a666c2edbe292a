/**
 * A certificate authority over ACME (RFC 8555), as the library acme-client speaks it. Its requests leave by `Send` and in no
 * other way: it takes its HTTP from an adapter, and the one that it brings is replaced when this file is loaded. Tries of its
 * own are off: when something is tried again stands in the database (order.ts).
 */

import * as x509 from '@peculiar/x509';
import * as acme from 'acme-client';
import { acmeAnswerBytes, longestAcmeSilenceMs } from '../limits.ts';
import type { OutboundResponse, Send } from '../outbound/port.ts';
import { retryAfterSeconds } from '../outbound/retry-after.ts';
import type { ChallengeKind } from '../store/row-types.ts';
import { CaError, readProblem } from './failure.ts';

export interface CaOptions {
  readonly send: Send;
  /** URL of the authority's directory. */
  readonly directory: string;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

export interface CaOrder {
  readonly url: string;
  readonly status: 'pending' | 'ready' | 'processing' | 'valid' | 'invalid';
}

/** The proof for the one name of an order. */
export interface CaAuthorization {
  readonly status: string;
  /** Undefined: the authority offers no challenge of this kind. */
  readonly challenge:
    | { readonly status: string; readonly token: string; readonly keyAuthorization: string }
    | undefined;
  /** Problem document of the validation that failed. */
  readonly error: unknown;
  /** Tells the authority that the challenge can be looked at. */
  begin(): Promise<void>;
}

export interface DownloadedCertificate {
  /** PEM, the name's own first. */
  readonly chain: string;
  readonly notBefore: Date;
  readonly notAfter: Date;
}

/** An account at the authority. Everything throws `CaError`. */
export interface CaAccount {
  readonly url: string;
  newOrder(name: string): Promise<CaOrder>;
  readOrder(url: string): Promise<CaOrder>;
  authorization(orderUrl: string, kind: ChallengeKind): Promise<CaAuthorization>;
  finalize(orderUrl: string, name: string, keyPem: string): Promise<CaOrder>;
  download(orderUrl: string, name: string, keyPem: string): Promise<DownloadedCertificate>;
  /** Seconds that the last answer asked to wait for. */
  retryAfter(): number | undefined;
}

export interface Ca {
  /** `url` null: the key is registered, or found again, with this contact and the terms accepted. */
  account(keyPem: string, url: string | null, email: string | undefined): Promise<CaAccount>;
}

type Adapter = Extract<(typeof acme.axios)['defaults']['adapter'], (...given: never) => unknown>;

const closed: Adapter = () => Promise.reject(new Error('no authority is open in this process'));
acme.axios.defaults.adapter = closed;
const { acmeSettings } = acme.axios.defaults as unknown as { acmeSettings: { retryMaxAttempts: number } };
acmeSettings.retryMaxAttempts = 0;

export const newKeyPem = async (): Promise<string> =>
  (await acme.crypto.createPrivateEcdsaKey('P-256')).toString();

const unreachable = (detail: string): CaError => new CaError({ kind: 'unreachable', detail });

/** What the library hides of the answers. */
interface Exchange {
  refusal: CaError | undefined;
  retryAfter: number | undefined;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

async function readText(answer: OutboundResponse): Promise<string> {
  try {
    return await answer.text(acmeAnswerBytes);
  } catch (error) {
    throw unreachable((error as Error).message);
  }
}

/** The library's way out: `Send`, with the address rule for addresses that others named. */
function adapterOf({ send, signal, timeoutMs }: CaOptions, exchange: Exchange): Adapter {
  return async (config) => {
    const { data, method = 'get', url = '' } = config;
    if (!URL.canParse(url) || new URL(url).protocol !== 'https:')
      throw new CaError({ kind: 'unusable', detail: 'it names an address that is not https' });
    const answer = await send({
      ...{ url, signal, timeoutMs },
      method: method.toUpperCase(),
      addresses: 'checked',
      ...(typeof data === 'string'
        ? { body: data, headers: { 'content-type': 'application/jose+json' } }
        : {}),
    });
    if (!answer.ok) throw unreachable(answer.detail);
    const { headers, status } = answer;
    const text = await readText(answer);
    exchange.retryAfter = retryAfterSeconds(headers, Date.now(), longestAcmeSilenceMs);
    exchange.refusal = undefined;
    if (status >= 300) {
      const { retryAfter } = exchange;
      exchange.refusal = new CaError({
        kind: 'refused',
        status,
        ...readProblem(parsed(text)),
        ...(retryAfter === undefined ? {} : { retryAfterSeconds: retryAfter }),
      });
    }
    return { config, data: text, headers: Object.fromEntries(headers), status, statusText: '' };
  };
}

/** Whatever the library throws, as the authority's refusal where there was one. */
async function asking<T>(exchange: Exchange, work: () => Promise<T>): Promise<T> {
  exchange.refusal = undefined;
  try {
    return await work();
  } catch (error) {
    if (error instanceof CaError) throw error;
    throw (
      exchange.refusal ??
      new CaError({ kind: 'unusable', detail: readProblem({ detail: String(error) }).detail })
    );
  }
}

/** Throws when it is not for this key and name: such a pair would break every handshake. */
function checkCertificate(chain: string, name: string, keyPem: string): DownloadedCertificate {
  const [own] = acme.crypto.splitPemChain(chain);
  if (own === undefined) throw new Error('the certificate is empty');
  const { domains, notAfter, notBefore } = acme.crypto.readCertificateInfo(own);
  if (!domains.altNames.some((one) => one.toLowerCase() === name))
    throw new Error(`the certificate is not for ${name}`);
  const publicKey = acme.crypto.getPublicKey(keyPem).toString();
  const isOfKey =
    new x509.X509Certificate(own).publicKey.toString('base64') ===
    new x509.PublicKey(publicKey).toString('base64');
  if (!isOfKey) throw new Error('the certificate is not for our key');
  return { chain, notBefore, notAfter };
}

function accountOf(client: acme.Client, url: string, exchange: Exchange): CaAccount {
  const ask = <T>(work: () => Promise<T>): Promise<T> => asking(exchange, work);
  const read = (orderUrl: string): Promise<acme.Order> =>
    // The library needs no more of an order than where it is.
    client.getOrder({ url: orderUrl } as acme.Order);
  return {
    url,
    newOrder: (name) => ask(() => client.createOrder({ identifiers: [{ type: 'dns', value: name }] })),
    readOrder: (orderUrl) => ask(() => read(orderUrl)),
    authorization: (orderUrl, kind) =>
      ask(async () => {
        const [authorization] = await client.getAuthorizations(await read(orderUrl));
        if (authorization === undefined) throw new Error('the order has no authorization');
        const challenge = authorization.challenges.find(({ type }) => type === kind);
        const failed = authorization.challenges.find((one) => 'error' in one) as
          | { error?: unknown }
          | undefined;
        return {
          status: authorization.status,
          challenge: challenge && {
            status: challenge.status,
            token: challenge.token,
            keyAuthorization: await client.getChallengeKeyAuthorization(challenge),
          },
          error: failed?.error,
          begin: async () => {
            if (challenge) await ask(() => client.completeChallenge(challenge));
          },
        };
      }),
    finalize: (orderUrl, name, keyPem) =>
      ask(async () => {
        const [, request] = await acme.crypto.createCsr({ altNames: [name] }, keyPem);
        return client.finalizeOrder(await read(orderUrl), request);
      }),
    download: (orderUrl, name, keyPem) =>
      ask(async () => checkCertificate(await client.getCertificate(await read(orderUrl)), name, keyPem)),
    retryAfter: () => exchange.retryAfter,
  };
}

/** The one authority of this process: the library has one adapter. */
export function openCa(options: CaOptions): Ca {
  const exchange: Exchange = { refusal: undefined, retryAfter: undefined };
  acme.axios.defaults.adapter = adapterOf(options, exchange);
  return {
    account: async (keyPem, url, email) => {
      const client = new acme.Client({
        directoryUrl: options.directory,
        accountKey: keyPem,
        ...(url === null ? {} : { accountUrl: url }),
      });
      const contact = email === undefined ? [] : [`mailto:${email}`];
      if (url === null)
        await asking(exchange, () => client.createAccount({ termsOfServiceAgreed: true, contact }));
      return accountOf(client, client.getAccountUrl(), exchange);
    },
  };
}
