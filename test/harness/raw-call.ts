import { type ClientRequest, type IncomingMessage, request } from 'node:http';
import { request as secureRequest } from 'node:https';

/** One request over a connection of its own, its path as it is written here, and its answer as it comes. */
export interface RawCall {
  readonly origin: string;
  readonly ca?: string;
  readonly method?: string;
  /** Into the request line unparsed. */
  readonly path: string;
  /** Several lines of a header where there are several values. */
  readonly headers?: Record<string, string | string[]>;
  /** Address of the loopback network to call from. */
  readonly from?: string;
}

export interface RawAnswer {
  readonly incoming: IncomingMessage;
  readonly request: ClientRequest;
}

/** Sends the head; `write` gives the body. Resolves with the answer's head, rejects when there is none. */
export function rawCall(call: RawCall, write: (request: ClientRequest) => void): Promise<RawAnswer> {
  const { hostname, port, protocol } = new URL(call.origin);
  return new Promise((resolve, reject) => {
    const made = (protocol === 'https:' ? secureRequest : request)(
      {
        host: hostname,
        port,
        path: call.path,
        method: call.method ?? 'GET',
        headers: call.headers ?? {},
        agent: false,
        ...(call.from === undefined ? {} : { localAddress: call.from }),
        ...(call.ca === undefined ? {} : { ca: call.ca }),
      },
      (incoming) => resolve({ incoming, request: made }),
    );
    made.on('error', reject);
    write(made);
  });
}

/** The body; `broken` when the connection ended before it was whole. */
export async function bodyOf(incoming: IncomingMessage): Promise<{ bytes: Buffer; broken: boolean }> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of incoming) chunks.push(chunk as Buffer);
    return { bytes: Buffer.concat(chunks), broken: false };
  } catch {
    return { bytes: Buffer.concat(chunks), broken: true };
  }
}
