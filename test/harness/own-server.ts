import { chownSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import postgres from 'postgres';
import { startEmbeddedPostgres } from '../../src/runtime/node-embedded-postgres.ts';
import { type Authority, createAuthority } from '../../src/simulator/authority.ts';

/** A PostgreSQL of a test's own: on IPv4, IPv6 and a Unix socket, with TLS, and with a pg_hba.conf that a test may write. */
export interface OwnServer {
  readonly port: number;
  /** The address for a superuser. */
  readonly url: string;
  readonly sql: postgres.Sql;
  /** The directory of its Unix socket. */
  readonly socketDir: string;
  readonly authority: Authority;
  /** A file of this server, readable for its user. */
  write(name: string, content: string): string;
  /** Lines that come before those that were there. */
  allow(lines: readonly string[]): Promise<void>;
  close(): Promise<void>;
}

export async function startOwnServer(serverSettings: readonly string[] = []): Promise<OwnServer> {
  const dir = mkdtempSync(join(tmpdir(), 'espalier-server-'));
  // Short: a Unix socket's path has a limit.
  const socketDir = mkdtempSync(join(tmpdir(), 'pg-'));
  // The server runs as another user where the tests run as root.
  const dataDir = join(dir, 'postgres', 'data');
  const embedded = await startEmbeddedPostgres(dir, { serverSettings });
  await embedded.stop();
  const { gid, uid } = statSync(dataDir);
  chownSync(socketDir, uid, gid);
  const write = (name: string, content: string): string => {
    const path = join(dataDir, name);
    writeFileSync(path, content, { mode: 0o600 });
    chownSync(path, uid, gid);
    return path;
  };
  const authority = await createAuthority();
  const { certificatePem, keyPem } = await authority.issue(['localhost', '127.0.0.1', '::1']);
  write('server.crt', certificatePem);
  write('server.key', keyPem);
  const hba = readFileSync(join(dataDir, 'pg_hba.conf'), 'utf8');
  const server = await startEmbeddedPostgres(dir, {
    serverSettings: [
      'listen_addresses=127.0.0.1,::1',
      `unix_socket_directories=${socketDir}`,
      'ssl=on',
      ...serverSettings,
    ],
  });
  const sql = postgres(server.url, { max: 1, onnotice: () => undefined });
  return {
    port: Number(new URL(server.url).port),
    url: server.url,
    sql,
    socketDir,
    authority,
    write,
    allow: async (lines) => {
      write('pg_hba.conf', `${lines.join('\n')}\n${hba}`);
      await sql`select pg_reload_conf()`;
    },
    close: async () => {
      await sql.end({ timeout: 1 });
      await server.stop();
      rmSync(dir, { recursive: true, force: true });
      rmSync(socketDir, { recursive: true, force: true });
    },
  };
}
