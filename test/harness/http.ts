import { readFileSync } from 'node:fs';
import { request } from 'node:https';

export interface Answer {
  readonly status: number;
  readonly headers: Record<string, string | string[] | undefined>;
  readonly text: string;
  // The tests say what they expect of it.
  // biome-ignore lint/suspicious/noExplicitAny: answers of every shape come here
  readonly json: any;
}

export interface Call {
  readonly method?: string;
  readonly headers?: Record<string, string | string[]>;
  readonly body?: string | Uint8Array;
  /** Files or texts of the authorities to trust. */
  readonly ca?: string | string[];
  readonly cert?: string;
  readonly key?: string;
}

/** One HTTPS request over a connection of its own, so that nothing is shared between cases. */
export async function call(url: string, options: Call = {}): Promise<Answer> {
  const { body, ca, cert, headers = {}, key, method = 'GET' } = options;
  return new Promise((resolve, reject) => {
    const outgoing = request(
      url,
      {
        method,
        // Node says no length of a DELETE's body.
        headers:
          body === undefined ? headers : { 'content-length': String(Buffer.byteLength(body)), ...headers },
        agent: false,
        // Node would check the certificate against a `Host` that a test makes up.
        ...(headers.host ? { servername: new URL(url).hostname } : {}),
        ...(ca ? { ca } : {}),
        ...(cert ? { cert } : {}),
        ...(key ? { key } : {}),
      },
      (incoming) => {
        const chunks: Buffer[] = [];
        incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
        incoming.on('error', reject);
        incoming.on('end', () => {
          const text = Buffer.concat(chunks).toString('utf8');
          let json: unknown;
          try {
            json = JSON.parse(text);
          } catch {
            json = undefined;
          }
          resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, text, json });
        });
      },
    );
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

export const read = (path: string): string => readFileSync(path, 'utf8');
