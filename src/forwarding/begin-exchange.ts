/** An exchange as a promise of its head and a body to be pulled, where a promise's cost does not matter. */

import { BodyInterrupted } from '../outbound/port.ts';
import type {
  Upstream,
  UpstreamCall,
  UpstreamExchange,
  UpstreamFailure,
  UpstreamHead,
} from '../outbound/upstream.ts';

export interface BegunAnswer {
  readonly ok: true;
  readonly head: UpstreamHead;
  /**
   * The body can be read once; it throws `BodyInterrupted` when it breaks off. A reader that stops ends the exchange.
   */
  readonly body: AsyncIterable<Uint8Array>;
  /** Nobody will read the body. */
  discard(): void;
}

export type Begun = BegunAnswer | { readonly ok: false; readonly failure: UpstreamFailure };

interface Piece {
  readonly chunk: Uint8Array | undefined;
  readonly failure: UpstreamFailure | undefined;
}

/** An answer that nobody reads is taken off the connection up to this size, which costs less than a new connection. */
const discardBytes = 65_536;

/** Holds the chunk that arrived and was not read yet: one only, because more is sent for when it is gone. */
function createPieces(exchange: () => UpstreamExchange | undefined) {
  const queue: Piece[] = [];
  let isOver = false;
  let unwanted: number | undefined;
  let waiting: ((piece: Piece) => void) | undefined;
  const give = (piece: Piece): boolean => {
    if (waiting) {
      const take = waiting;
      waiting = undefined;
      take(piece);
      return true;
    }
    queue.push(piece);
    return false;
  };
  const next = async (): Promise<Piece> => {
    const piece = queue.shift();
    if (piece) return piece;
    return new Promise((resolve) => {
      waiting = resolve;
      exchange()?.resume();
    });
  };
  async function* read(): AsyncGenerator<Uint8Array> {
    try {
      for (;;) {
        const { chunk, failure } = await next();
        if (failure) throw new BodyInterrupted(failure.detail);
        if (!chunk) return;
        yield chunk;
      }
    } finally {
      // After the end nothing is aborted: by then the connection may carry another call.
      if (!isOver) exchange()?.abort();
    }
  }
  return {
    data: (chunk: Uint8Array): boolean => {
      if (unwanted === undefined) return give({ chunk, failure: undefined });
      unwanted += chunk.byteLength;
      if (unwanted > discardBytes) exchange()?.abort();
      return true;
    },
    discard: (): void => {
      unwanted = 0;
      queue.length = 0;
      if (!isOver) exchange()?.resume();
    },
    end: (failure?: UpstreamFailure): void => {
      isOver = true;
      give({ chunk: undefined, failure });
    },
    read,
  };
}

/** `signal`: the caller went away; then the answer is `aborted`. */
export function beginExchange(
  upstream: Upstream,
  call: UpstreamCall,
  signal: AbortSignal | undefined,
): Promise<Begun> {
  return new Promise((resolve) => {
    let exchange: UpstreamExchange | undefined;
    const pieces = createPieces(() => exchange);
    const abort = (): void => {
      exchange?.abort();
      const failure: UpstreamFailure = { kind: 'aborted', sent: true, detail: 'the caller went away' };
      pieces.end(failure);
      resolve({ ok: false, failure });
    };
    const settle = (failure?: UpstreamFailure): void => {
      signal?.removeEventListener('abort', abort);
      pieces.end(failure);
      if (failure) resolve({ ok: false, failure });
    };
    if (signal?.aborted) {
      abort();
      return;
    }
    signal?.addEventListener('abort', abort, { once: true });
    exchange = upstream(call, {
      head: (head) => resolve({ ok: true, head, body: pieces.read(), discard: () => exchange?.abort() }),
      data: pieces.data,
      end: () => settle(),
      fail: settle,
    });
  });
}
