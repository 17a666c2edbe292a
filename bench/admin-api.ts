import { join } from 'node:path';
import { type Answer, call } from '../test/harness/http.ts';

/** The gateway's own settings in a benchmark, and the way to its admin API. */

export const bootstrapKey = 'esp_bootstrap-key-of-the-bench';

/** On the admin API; throws for an answer that is no success. */
export type AdminApi = (method: string, path: string, body?: unknown) => Promise<Answer['json']>;

/** Data directory, listeners and keys, and the request limits that would be measured instead. */
export const ownSettings = (dir: string, databaseUrl: string, dataPort: number): Record<string, string> => ({
  DATABASE_URL: databaseUrl,
  ESPALIER_DATA_DIR: join(dir, 'data'),
  ESPALIER_SECRETS_KEY: Buffer.alloc(32, 7).toString('base64'),
  ESPALIER_BOOTSTRAP_KEY: bootstrapKey,
  ESPALIER_DATA_LISTEN: `127.0.0.1:${dataPort}`,
  ESPALIER_ADMIN_LISTEN: '127.0.0.1:0',
  ESPALIER_OPS_LISTEN: '127.0.0.1:0',
  ESPALIER_RATE_PER_INSTANCE: '1000000',
  ESPALIER_RATE_PER_TENANT: '1000000',
});

export const adminApi =
  (origin: string, ca: string, key: string = bootstrapKey): AdminApi =>
  async (method, path, body) => {
    const json = body === undefined ? undefined : JSON.stringify(body);
    const answer = await call(`${origin}/api/v1${path}`, {
      method,
      ca,
      headers: {
        authorization: `Bearer ${key}`,
        ...(json === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(json === undefined ? {} : { body: json }),
    });
    if (answer.status >= 300) throw new Error(`${method} ${path} answered ${answer.status}: ${answer.text}`);
    return answer.json;
  };
