import { hash } from 'node:crypto';
import { readDatabaseUrl } from '../../store/database-url.ts';

/**
 * Whose snapshot may be used, as a start without the database can know it: the database that DATABASE_URL names, by hosts,
 * ports, name and the options that choose a schema. The user and what proves it are left out: they are renewed. That two
 * deployments are two although they name their databases alike is told by the secrets key, which opens one's snapshot only.
 */
export function deploymentOf(databaseUrl: string): string {
  const { database, host, port, serverOptions, user } = readDatabaseUrl(databaseUrl);
  const places = host.map((name, index) => `${name}:${port[index]}`).sort();
  return hash('sha256', JSON.stringify([places, database ?? user ?? '', serverOptions ?? '']), 'base64url');
}
