/** One HTTPS request; fails with the error of the connection only. */

import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { request } from 'node:https';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Method } from '../../client/request.ts';

export interface Asked {
  readonly method: Method;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | Readable | undefined;
  /** PEM to trust besides the public authorities. */
  readonly ca?: string | undefined;
  /** Without a byte in either direction. */
  readonly idleMs: number;
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

/** Node gives the body of a DELETE no length of its own accord, and without one it is read as the next request. */
const sized = (headers: Asked['headers'], body: Asked['body']): Record<string, string> =>
  typeof body === 'string'
    ? { ...headers, 'content-length': String(Buffer.byteLength(body)) }
    : { ...headers };

/** Resolves with the head of the answer; its body is the reader's. */
export const open = (url: URL, { body, ca, headers, idleMs, method }: Asked): Promise<IncomingMessage> =>
  new Promise((resolve, reject) => {
    // A kept connection may end just as a request is sent on it: what is sent only once gets one of its own.
    const once = method === 'PATCH' || (body !== undefined && typeof body !== 'string');
    const options = {
      method,
      headers: sized(headers, body),
      timeout: idleMs,
      ...(ca === undefined ? {} : { ca }),
      ...(once ? { agent: false } : {}),
    };
    let answered = false;
    const outgoing = request(url, options, (incoming) => {
      answered = true;
      resolve(incoming);
    });
    outgoing.on('timeout', () =>
      outgoing.destroy(new Error(`no answer within ${Math.round(idleMs / 1000)} s`)),
    );
    outgoing.on('error', reject);
    if (body === undefined || typeof body === 'string') {
      // The body is written as bytes: Node would write a text and the head together, both as UTF-8, and encode the
      // head's characters twice.
      outgoing.end(body === undefined ? undefined : Buffer.from(body));
      return;
    }
    // A server that answers before it has read the whole body may close on the rest of it: then the answer counts.
    pipeline(body, outgoing).catch((error: Error) => {
      if (!answered) reject(error);
    });
  });

export async function textOf(incoming: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}

export async function exchange(url: URL, asked: Asked): Promise<Answer> {
  const incoming = await open(url, asked);
  return { status: incoming.statusCode ?? 0, headers: incoming.headers, text: await textOf(incoming) };
}
