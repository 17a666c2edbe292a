/** One of the two deployments that are compared: a database of its own, filled, and the real gateway on it. */

import { createHash } from 'node:crypto';
import { join } from 'node:path';
import postgres from 'postgres';
import { migrateDatabase } from '../../src/runtime/node-migrate.ts';
import { openDatabase, type Sql } from '../../src/store/database.ts';
import { read } from '../../test/harness/http.ts';
import { freePort } from '../../test/harness/ports.ts';
import { type AdminApi, adminApi, bootstrapKey, ownSettings } from '../admin-api.ts';
import { type Connection, openConnection } from '../connection.ts';
import type { Database } from '../database.ts';
import { type Gateway, startGateway } from '../gateway.ts';
import { type FleetSize, fillFleet } from './fleet.ts';

export type Exchange = Connection['exchange'];

interface Sender {
  readonly instanceId: string;
  readonly key: string;
}

export interface Side {
  readonly size: FleetSize;
  readonly sql: postgres.Sql;
  /** As the product opens it, with one connection. */
  readonly product: Sql;
  readonly database: string;
  readonly gateway: Gateway;
  readonly api: AdminApi;
  readonly admin: Exchange;
  /** Opens the admin listener. */
  readonly adminHead: string;
  readonly data: Exchange;
  readonly ops: Exchange;
  /** The tenant of the load, whose delivery is paused, and one of its devices. */
  readonly tenantId: string;
  readonly deviceId: string;
  /** An instance that is paused: what it sends is kept and nobody reads it. */
  readonly paused: Sender;
  /** One whose pushes are taken in. */
  readonly pushing: Sender;
  /** How long it took to fill. */
  readonly fillSeconds: number;
}

const guidOf = (text: string): string =>
  createHash('md5')
    .update(text)
    .digest('hex')
    .replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');

/** Listeners close a connection that was idle for longer. */
const keptForMs = 20_000;

/** Exchanges over a connection that is kept while it is used, and opened anew after a while. */
function keptConnection(stack: AsyncDisposableStack, origin: string, ca?: string): Exchange {
  let connection: Connection | undefined;
  let usedAtMs = 0;
  stack.defer(() => connection?.close());
  return async (request) => {
    if (performance.now() - usedAtMs > keptForMs) {
      connection?.close();
      connection = undefined;
    }
    connection ??= await openConnection(origin, ca);
    const answer = await connection.exchange(request);
    usedAtMs = performance.now();
    return answer;
  };
}

export interface SidePlan {
  readonly name: string;
  readonly size: FleetSize;
  readonly dir: string;
}

export async function startSide(
  stack: AsyncDisposableStack,
  server: Database,
  { dir, name, size }: SidePlan,
  signal: AbortSignal,
): Promise<Side> {
  await server.sql.unsafe(`create database ${name}`);
  const url = new URL(server.url);
  url.pathname = `/${name}`;
  await migrateDatabase(url.href);
  const sql = postgres(url.href, { max: 1, onnotice: () => undefined });
  stack.defer(() => sql.end({ timeout: 2 }));
  const product = openDatabase(url.href, { connections: 1, applicationName: 'bench' });
  stack.defer(() => product.end({ timeout: 2 }));
  const began = performance.now();
  await fillFleet(sql, product, size, signal);
  const fillSeconds = (performance.now() - began) / 1_000;
  const own = join(dir, name);
  const gateway = await startGateway({
    ...ownSettings(own, url.href, await freePort()),
    ESPALIER_INSTANCE_BENCH: 'secret',
    ESPALIER_POLL_SECONDS: '0',
    ESPALIER_RECONCILE_SECONDS: '0',
    ESPALIER_CHECK_IN_SECONDS: '0',
    ESPALIER_LOG_LEVEL: 'error',
  });
  stack.defer(() => gateway.stop());
  const trust = read(join(own, 'data', 'tls.crt'));
  const api = adminApi(gateway.admin, trust);
  const tenantId = guidOf('tenant0');
  const sender = async (instance: number): Promise<Sender> => {
    const instanceId = guidOf(`instance0/${instance}`);
    const { key } = await api('POST', `/tenants/${tenantId}/instances/${instanceId}/keys`, {});
    return { instanceId, key };
  };
  return {
    ...{ size, sql, product, database: name, gateway, api, tenantId, fillSeconds },
    deviceId: guidOf('device0'),
    paused: await sender(0),
    pushing: await sender(1),
    admin: keptConnection(stack, gateway.admin, trust),
    adminHead: `authorization: Bearer ${bootstrapKey}\r\n`,
    data: keptConnection(stack, gateway.data, trust),
    ops: keptConnection(stack, gateway.ops),
  };
}
