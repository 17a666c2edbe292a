/**
 * The port to Jamf Pro instances for calls that are forwarded: callbacks, because promises and streams cost more
 * than the rest of a small call. Node has a client of its own for it, Workers one made of `fetch`.
 */

/** One instance's server. Made once for an instance as it is stored and kept: the object names the pool. */
export interface UpstreamTarget {
  /** Scheme, host and port, without a path. */
  readonly origin: string;
  /** Context path of the instance, such as `/jamf`, or empty; never with a slash at its end. */
  readonly basePath: string;
  /** PEM of one more certificate authority to trust. */
  readonly caCertificate: string | undefined;
}

export interface UpstreamCall {
  readonly target: UpstreamTarget;
  readonly method: string;
  /** Already checked, with the target's `basePath` and the query. */
  readonly path: string;
  /** `name: value\r\n` each, checked, in lower case, without host, content-length, transfer-encoding and connection. */
  readonly headerLines: string;
  /** Undefined: none. */
  readonly body: UpstreamBody | undefined;
}

/** The caller's body, pulled as the instance takes it. */
export interface UpstreamBody {
  /** Bytes; undefined: not known before its end. */
  readonly length: number | undefined;
  readonly chunks: AsyncIterable<Uint8Array>;
}

export interface UpstreamHead {
  readonly status: number;
  /** `name` in lower case; several of a name are joined by `, `. */
  header(name: string): string | undefined;
  /** Undefined: the answer does not say, or has no body. */
  readonly contentLength: number | undefined;
  /** Visits headers in the order of the answer, names in lower case, repeated ones repeatedly. */
  eachHeader(visit: (name: string, value: string) => void): void;
  /** One object is given for heads that are the same to the letter, and this one was given before. */
  readonly isRepeated?: boolean;
}

/** Handler of an exchange, never called before the call that began the exchange has returned. */
export interface UpstreamHandler {
  /** Once, for the final answer: 1xx are swallowed. */
  head(head: UpstreamHead): void;
  /** `false`: no more until `resume()`. The chunk may be kept. */
  data(chunk: Uint8Array): boolean;
  /**
   * When the answer came in one piece with its head, a handler that has this receives the whole body, one character a
   * byte, instead of any `data`. `end` follows at once.
   */
  readonly text?: ((body: string) => void) | undefined;
  end(): void;
  /** Exactly once instead of `end`; after `head` the answer is half of one. Not after `abort()`. */
  fail(failure: UpstreamFailure): void;
}

export interface UpstreamExchange {
  resume(): void;
  /** The caller went away: nothing is called any more. Harmless when the exchange is over. */
  abort(): void;
}

export type Upstream = (call: UpstreamCall, handler: UpstreamHandler) => UpstreamExchange;

/**
 * `refused-address`: the address rule said no. `connect`: name, connection or TLS. `reset`: the connection broke.
 * `first-byte-timeout`, `idle-timeout`: silence before the answer and in it. `invalid-answer`: not HTTP as it
 * has to be, or too large a head. `aborted`: the caller's body broke off or stalled. `circuit-open`: the instance failed
 * too often just now. `overloaded`: too many calls wait for this instance already.
 */
export interface UpstreamFailure {
  readonly kind:
    | 'refused-address'
    | 'connect'
    | 'connect-timeout'
    | 'reset'
    | 'first-byte-timeout'
    | 'idle-timeout'
    | 'invalid-answer'
    | 'aborted'
    | 'circuit-open'
    | 'overloaded';
  /** True where any byte of the request may have reached the server. */
  readonly sent: boolean;
  /** Explanation for logs and operators; no secret. */
  readonly detail: string;
  readonly retryAfterSeconds?: number;
}
