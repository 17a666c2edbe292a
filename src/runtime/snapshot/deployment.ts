import { createHash } from 'node:crypto';
import { readDatabaseUrl } from '../../store/database-url.ts';

const digestOf = (facts: readonly unknown[]): string =>
  createHash('sha256').update(JSON.stringify(facts)).digest('base64url');

/**
 * Whose snapshot may be used, as a start without the database can know it: the database that DATABASE_URL names, by hosts,
 * ports, name and the options that choose a schema. The user and what proves it are left out: they are renewed. That two
 * deployments are two although they name their databases alike is told by the secrets key, which opens one's snapshot only.
 */
export function deploymentOf(databaseUrl: string): string {
  const { database, host, port, serverOptions, user } = readDatabaseUrl(databaseUrl);
  const places = host.map((name, index) => `${name}:${port[index]}`).sort();
  return digestOf([places, database ?? user ?? '', serverOptions ?? '']);
}

/** The same behind Hyperdrive, whose host name is another one in each isolate: the gateway's own address stands for it. */
export function deploymentBehindHyperdrive(connectionString: string, publicUrl: string): string {
  const { database, serverOptions, user } = readDatabaseUrl(connectionString);
  return digestOf(['hyperdrive', publicUrl, database ?? user ?? '', serverOptions ?? '']);
}
