/** Two ordinary deployments, each with a database and a sealing key of its own, between the same simulators. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { verdictIn } from '../../src/runtime/lane/socket-choice.ts';
import { createTestDatabase, type TestDatabase } from './database.ts';
import { type AddedInstance, bootstrapKey, type GatewayProcess, type Scene, webhookBody } from './gateway.ts';
import { type Answer, type Call, call } from './http.ts';
import { freePort } from './ports.ts';

export const fileKey = Buffer.alloc(32, 5).toString('base64url');

export interface Cell {
  readonly database: TestDatabase;
  readonly trust: string;
  process(): GatewayProcess;
  api(method: string, path: string, body?: unknown): Promise<Answer>;
  webhook(instance: AddedInstance, jssID: number, headers?: Record<string, string>): Promise<Answer>;
  /** On the data listener. */
  data(path: string, options?: Omit<Call, 'ca'>): Promise<Answer>;
  /** The sealed file of a tenant whose move-out is ready. */
  file(tenantId: string, key?: string): Promise<Answer>;
  moveIn(tenantId: string, file: string, more?: { key?: string; query?: string }): Promise<Answer>;
}

const cellOf = (database: TestDatabase, trust: string, process: () => GatewayProcess): Cell => {
  const ask = (path: string, options: { method: string; headers?: Record<string, string>; body?: string }) =>
    call(`${process().admin}/api/v1${path}`, {
      ...options,
      ca: trust,
      headers: { authorization: `Bearer ${bootstrapKey}`, ...options.headers },
    });
  const data: Cell['data'] = (path, options = {}) =>
    call(`${process().data}${path}`, { ...options, ca: trust });
  return {
    ...{ data, database, trust, process },
    api: (method, path, body) =>
      ask(path, {
        method,
        ...(body === undefined
          ? {}
          : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
      }),
    webhook: (instance, jssID, headers = {}) =>
      data(`/jamf/${instance.id}/webhooks`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'x-api-key': instance.key, ...headers },
        body: webhookBody('ComputerInventoryCompleted', jssID),
      }),
    file: (tenantId, key = fileKey) =>
      ask(`/tenants/${tenantId}/move-out/file`, { method: 'GET', headers: { 'x-espalier-file-key': key } }),
    moveIn: (tenantId, file, { key = fileKey, query = '' } = {}) =>
      ask(`/tenants/${tenantId}/move-in${query}`, {
        method: 'POST',
        headers: { 'content-type': 'application/octet-stream', 'x-espalier-file-key': key },
        body: file,
      }),
  };
};

export interface TwoCells {
  readonly first: Cell;
  /** Its address stays the same, and its certificate is one that the first cell trusts. */
  readonly second: Cell & { readonly publicUrl: string; restart(): Promise<void> };
  close(): Promise<void>;
}

export async function startTwoCells(scene: Scene): Promise<TwoCells> {
  const database = await createTestDatabase();
  const dir = mkdtempSync(join(tmpdir(), 'espalier-cell-'));
  verdictIn(dir).pass(process.versions.node);
  const { authority } = scene.world;
  const { certificatePem, keyPem } = await authority.issue(['localhost', '127.0.0.1']);
  const [certificateFile, keyFile] = [join(dir, 'cell.crt'), join(dir, 'cell.key')];
  writeFileSync(certificateFile, certificatePem);
  writeFileSync(keyFile, keyPem, { mode: 0o600 });
  const port = await freePort();
  const publicUrl = `https://localhost:${port}`;
  const settings = {
    ESPALIER_PUBLIC_URL: publicUrl,
    ESPALIER_DATA_LISTEN: `127.0.0.1:${port}`,
    ESPALIER_TLS_CERT_FILE: certificateFile,
    ESPALIER_TLS_KEY_FILE: keyFile,
    DATABASE_URL: database.url,
    ESPALIER_DATA_DIR: dir,
    ESPALIER_SECRETS_KEY: Buffer.alloc(32, 8).toString('base64'),
  };
  let running = await scene.another(settings);
  const second = cellOf(database, authority.certificatePem, () => running);
  return {
    first: cellOf(scene.database, scene.trust, () => scene.gateway),
    second: {
      ...second,
      publicUrl,
      restart: async () => {
        if (running.process.signalCode === null) await running.kill();
        running = await scene.another(settings);
      },
    },
    close: async () => {
      await running.stop();
      await database.drop();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
