/**
 * The one way out of Espalier (design D10). Everything that leaves, to Microsoft or to an instance, goes
 * through a `Send`; the runtime supplies it: undici with checked resolution on Node, `fetch` on Workers.
 */

/**
 * Rule for the addresses that the request may reach. `configured`: the operator wrote this host into the clouds file or
 * it is built in. `checked`: an instance's or a discovered address: it must be globally reachable or be allowed by
 * ESPALIER_UPSTREAM_ALLOW, checked on every connection (a name can change its address after it was stored).
 */
export type AddressRule = 'configured' | 'checked';

export interface OutboundRequest {
  readonly method: string;
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  /** Milliseconds until the response's headers, and again between two chunks of its body. */
  readonly timeoutMs: number;
  readonly addresses: AddressRule;
  /** Many tenants share this host, and the caller of this port bounds each of them, so that connections do not run out. */
  readonly sharedHost?: boolean;
  /** PEM of one more certificate authority to trust for this server (an instance's `caCertificate`). */
  readonly caCertificate?: string;
  readonly signal?: AbortSignal;
  /** For whom it is, where few go out at a time and tenants share them. */
  readonly tenantId?: string;
  /** Called when it goes out: a time that the caller bounds begins there, and not while it waits for its turn. */
  readonly begun?: () => void;
}

export interface OutboundResponse {
  readonly ok: true;
  readonly status: number;
  readonly headers: Headers;
  /** The body, to be read at most once, by `text` or by this stream. */
  readonly body: AsyncIterable<Uint8Array>;
  /** Reads the whole body, within `wholeAnswerFactor` times the request's `timeoutMs`; throws `BodyTooLarge` beyond the limit. */
  text(limitBytes: number): Promise<string>;
  /** Gives the connection back without reading the rest. */
  discard(): Promise<void>;
}

export interface OutboundFailure {
  readonly ok: false;
  /**
   * `refused-address`: the address rule said no and nothing was sent. `unreachable`: name, connection or TLS.
   * `timeout`: no answer in time: whether the server acted is unknown. `reset`: the connection broke after the
   * request began: unknown too. `aborted`: the caller gave up.
   */
  readonly failure: 'refused-address' | 'unreachable' | 'timeout' | 'reset' | 'aborted';
  readonly detail: string;
}

export type OutboundResult = OutboundResponse | OutboundFailure;

export type Send = (request: OutboundRequest) => Promise<OutboundResult>;

/** The same way out, for one tenant. */
export const sendFor =
  (tenantId: string, send: Send): Send =>
  (request) =>
    send({ ...request, tenantId });

/** A whole answer may take this many times the silence that is allowed within it: one that drips must end too. */
export const wholeAnswerFactor = 4;

/** The server sent more than the caller was ready to hold. */
export class BodyTooLarge extends Error {
  override readonly name = 'BodyTooLarge';
}

/** The connection broke or stalled in the middle of a body that had begun. */
export class BodyInterrupted extends Error {
  override readonly name = 'BodyInterrupted';
}
