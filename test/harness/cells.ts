/** Two ordinary deployments, each with a database and a sealing key of its own, between the same simulators. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { verdictIn } from '../../src/runtime/lane/socket-choice.ts';
import { createTestDatabase, type TestDatabase } from './database.ts';
import { type AddedInstance, bootstrapKey, type GatewayProcess, type Scene, webhookBody } from './gateway.ts';
import { type Answer, call, read } from './http.ts';

export const fileKey = Buffer.alloc(32, 5).toString('base64url');

export interface Cell {
  readonly database: TestDatabase;
  readonly trust: string;
  process(): GatewayProcess;
  api(method: string, path: string, body?: unknown): Promise<Answer>;
  webhook(instance: AddedInstance, jssID: number): Promise<Answer>;
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
  return {
    ...{ database, trust, process },
    api: (method, path, body) =>
      ask(path, {
        method,
        ...(body === undefined
          ? {}
          : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
      }),
    webhook: (instance, jssID) =>
      call(`${process().data}/jamf/${instance.id}/webhooks`, {
        method: 'POST',
        ca: trust,
        headers: { 'content-type': 'application/json', 'x-api-key': instance.key },
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
  readonly second: Cell & { restart(): Promise<void> };
  close(): Promise<void>;
}

export async function startTwoCells(scene: Scene): Promise<TwoCells> {
  const database = await createTestDatabase();
  const dir = mkdtempSync(join(tmpdir(), 'espalier-cell-'));
  verdictIn(dir).pass(process.versions.node);
  const settings = {
    DATABASE_URL: database.url,
    ESPALIER_DATA_DIR: dir,
    ESPALIER_SECRETS_KEY: Buffer.alloc(32, 8).toString('base64'),
  };
  let running = await scene.another(settings);
  const second = cellOf(database, read(join(dir, 'tls.crt')), () => running);
  return {
    first: cellOf(scene.database, scene.trust, () => scene.gateway),
    second: {
      ...second,
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
