/** Looks at this machine: its runtime, files, database and keys. */

import { createPrivateKey, X509Certificate } from 'node:crypto';
import { constants } from 'node:fs';
import { access, readFile, stat } from 'node:fs/promises';
import { isIP } from 'node:net';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { countSealed, findUnopened, sumSealed } from '../../connection/reseal.ts';
import { cloudSuffix } from '../../runtime/config.ts';
import { foldersOf } from '../../runtime/node-certificate-files.ts';
import { openSnapshot, snapshotFolder } from '../../runtime/node-snapshot/snapshot.ts';
import { countProcesses, databaseConnectionsOf } from '../../runtime/process-shares.ts';
import { readNameStates } from '../../store/acme.ts';
import { createLog } from '../../telemetry/log.ts';
import type { DoctorContext } from './context.ts';
import {
  type CredentialFacts,
  judgeAcme,
  judgeClientAuthority,
  judgeCredential,
  judgeFolder,
  judgeListener,
  judgeNext,
  type ListenerFacts,
} from './judge-credential.ts';
import {
  type DataDirFacts,
  judgeConnections,
  judgeDatabase,
  judgeDataDir,
  judgeGateway,
  judgeMigrations,
  judgeNode,
  judgePooler,
  judgeSecrets,
  judgeSnapshot,
  type SnapshotFacts,
} from './judge-machine.ts';
import { judgeBalancer, judgeOutgoing } from './judge-proxies.ts';
import type { Line } from './line.ts';

const hasModes = process.platform !== 'win32';
const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? (error as Error).name;

async function modeOf(path: string): Promise<number | undefined> {
  return hasModes ? (await stat(path)).mode : undefined;
}

/** Undefined where the system has no such bits. A group may be meant to read: a container's, for one. */
async function isOpen(path: string): Promise<boolean | undefined> {
  const mode = await modeOf(path);
  return mode === undefined ? undefined : (mode & 0o007) !== 0;
}

/** Files that the gateway makes in its data directory and that nobody else may read. */
const privateFiles = ['secrets-key', 'postgres-password', 'tls.key'];

async function dataDirFacts(path: string): Promise<DataDirFacts> {
  try {
    const mode = await modeOf(path);
    const writable = await access(path, constants.W_OK).then(
      () => true,
      () => false,
    );
    const openFiles: string[] = [];
    for (const name of privateFiles) {
      const file = join(path, name);
      if (await isOpen(file).catch(() => false)) openFiles.push(file);
    }
    return { path, exists: true, writable, mode, openFiles };
  } catch {
    return { path, exists: false, writable: false, mode: undefined, openFiles: [] };
  }
}

async function certificateFacts(file: string, keyFile: string): Promise<CredentialFacts> {
  try {
    const certificate = new X509Certificate(await readFile(file));
    return {
      kind: 'certificate',
      file,
      subject: certificate.subject,
      validToMs: Date.parse(certificate.validTo),
      keyFile,
      keyIsOpen: await isOpen(keyFile),
    };
  } catch (error) {
    return { kind: 'unreadable', file, code: codeOf(error) };
  }
}

async function credentialLines({ config, environment, now }: DoctorContext): Promise<Line[]> {
  const value = (name: string): string | undefined => environment[name]?.trim() || undefined;
  const factsOf = async (prefix: string, suffix: string): Promise<CredentialFacts | undefined> => {
    const file = value(`${prefix}_CERT_FILE${suffix}`);
    if (file !== undefined) return certificateFacts(file, value(`${prefix}_KEY_FILE${suffix}`) ?? '');
    const variable = `${prefix}_CLIENT_SECRET${suffix}`;
    return value(variable) === undefined ? undefined : { kind: 'secret', variable };
  };
  const lines: Line[] = [];
  const applications = { connector: 'ESPALIER_ENTRA', diagnostic: 'ESPALIER_DIAGNOSTIC' };
  for (const [application, prefix] of Object.entries(applications)) {
    for (const cloud of ['', ...[...config.clouds.keys()].sort()]) {
      const suffix = cloud === '' ? '' : cloudSuffix(cloud);
      const first = await factsOf(prefix, suffix);
      const next = await factsOf(prefix, `${suffix}_NEXT`);
      const subject = cloud === '' ? application : `${application} ${cloud}`;
      if (first === undefined) continue;
      lines.push(judgeCredential(subject, first, now()));
      if (next) lines.push(judgeCredential(`${subject}, next`, next, now()));
      lines.push(judgeNext(subject, first, next, now()));
    }
  }
  return lines;
}

async function pairFacts(file: string, keyFile: string, publicUrl: string) {
  const certificate = new X509Certificate(await readFile(file));
  const host = new URL(publicUrl).hostname.replace(/^\[|\]$/g, '');
  return {
    ...{ file, keyFile },
    validToMs: Date.parse(certificate.validTo),
    keyIsOpen: await isOpen(keyFile),
    // Each of the two throws for what is the other's.
    fitsPublicUrl: (isIP(host) === 0 ? certificate.checkHost(host) : certificate.checkIP(host)) !== undefined,
    keyFits: certificate.checkPrivateKey(createPrivateKey(await readFile(keyFile))),
  };
}

async function listenerFacts({ config }: DoctorContext): Promise<ListenerFacts | 'off' | 'acme' | 'absent'> {
  if (config.tls === 'off') return 'off';
  if (config.acme !== undefined && config.tlsCertFile === undefined) return 'acme';
  const file = config.tlsCertFile ?? join(config.dataDir, 'tls.crt');
  const keyFile = config.tlsKeyFile ?? join(config.dataDir, 'tls.key');
  const development = config.tlsCertFile === undefined;
  return pairFacts(file, keyFile, config.publicUrl).then(
    (facts) => ({ ...facts, development }),
    () => 'absent' as const,
  );
}

/** Undefined: it is no certificate. */
function endOf(pem: string): number | undefined {
  try {
    return Date.parse(new X509Certificate(pem).validTo);
  } catch {
    return undefined;
  }
}

/** The certificates that are presented by name, and the one for callers that name none. */
async function listenerLines(context: DoctorContext): Promise<Line[]> {
  const { config, now } = context;
  const { clientCa, publicUrl, tlsCertDir } = config;
  const folders =
    config.tls === 'off' || tlsCertDir === undefined
      ? []
      : await foldersOf(tlsCertDir).catch(() => 'unread' as const);
  if (folders === 'unread') return [judgeFolder(tlsCertDir ?? '', 'it cannot be read', now())];
  const lines = await Promise.all(
    folders.map(({ certFile, keyFile, origin }) =>
      pairFacts(certFile, keyFile, publicUrl).then(
        // Which of them is for the public name is not this one's matter.
        (facts) => judgeFolder(origin, { ...facts, development: false, fitsPublicUrl: true }, now()),
        (error: Error) => judgeFolder(origin, error.message, now()),
      ),
    ),
  );
  if (lines.length === 0 || config.tlsCertFile !== undefined)
    lines.unshift(judgeListener(await listenerFacts(context), now()));
  if (clientCa !== undefined) lines.push(judgeClientAuthority(endOf(clientCa), now()));
  return lines;
}

/** Connections that a `serve` on this machine opens at most, in all its processes. */
function connectionsOfServe(config: Parameters<typeof countProcesses>[0]) {
  const processes = countProcesses(config, availableParallelism());
  return processes * databaseConnectionsOf(config.databaseConnections, processes);
}

async function databaseLines({ config, inspection }: DoctorContext): Promise<Line[]> {
  const { database, sealer, sql, where } = inspection;
  if (database.state !== 'there') return [judgeDatabase({ ...database, where })];
  const lines = [
    judgeDatabase({ state: 'there', where, version: database.version }),
    judgePooler(database.sharesSessions),
    judgeConnections({ ...database, budget: connectionsOfServe(config) }),
    judgeMigrations(database.applied, database.newest, config.migrate),
  ];
  // Another build's tables may be other ones.
  if (database.applied !== database.newest) return lines;
  const [watch] = await sql<{ seconds: number }[]>`
    select extract(epoch from now() - watched_at)::float8 as seconds from watch`;
  const processes = await sql<{ name: string }[]>`
    select name from gateway_processes where seen_at > now() - interval '1 minute' order by name`;
  lines.push(
    judgeGateway(
      watch?.seconds,
      processes.map(({ name }) => name),
    ),
  );
  const byKey = await countSealed(sql);
  return [
    ...lines,
    ...judgeSecrets({
      byKey,
      counts: sumSealed(byKey, sealer.keyIds),
      keyIds: sealer.keyIds,
      unopened: await findUnopened(sql, sealer),
    }),
  ];
}

/** What the snapshot's own parts would log is a line here. */
const silent = createLog({ level: 'error', format: 'json', write: () => undefined });

async function snapshotFacts({ config, inspection }: DoctorContext): Promise<SnapshotFacts> {
  const facts = {
    path: join(config.dataDir, snapshotFolder),
    maxAgeSeconds: config.snapshotMaxAgeSeconds,
    isDatabaseThere: inspection.database.state === 'there',
  };
  const snapshot = await openSnapshot(config, silent);
  if (snapshot === undefined) return { ...facts, found: 'embedded' };
  const found = await snapshot.look();
  const isGood = !('cause' in found);
  return { ...facts, found: isGood ? { ageSeconds: found.ageMs / 1_000 } : { cause: found.cause } };
}

function proxyLines({ config, environment }: DoctorContext): Line[] {
  const isSet = (name: string): boolean =>
    [name, name.toLowerCase()].some((one) => (environment[one] ?? '').trim() !== '');
  return [
    judgeBalancer({
      trusted: config.trustedProxies,
      isProxyProtocol: config.proxyProtocol === 'required',
      certificateHeader: config.clientCertHeader,
      isTls: config.tls === 'on',
    }),
    judgeOutgoing({
      proxy: config.httpsProxy?.shown,
      unread: config.noProxy.unread,
      others: ['ALL_PROXY', 'HTTP_PROXY'].filter(isSet),
    }),
  ];
}

/** What the database says of each name; nothing of it can be told without. */
async function acmeLines({ config, inspection }: DoctorContext): Promise<Line[]> {
  const { acme } = config;
  const { database, sql } = inspection;
  if (acme === undefined || database.state !== 'there' || database.applied !== database.newest) return [];
  const states = new Map((await readNameStates(sql, acme)).map((state) => [state.name, state]));
  return acme.names.map((name) => judgeAcme(name, states.get(name)));
}

export async function machineLines(context: DoctorContext): Promise<Line[]> {
  return [
    judgeNode(process.version),
    judgeDataDir(await dataDirFacts(context.config.dataDir)),
    ...(await databaseLines(context)),
    judgeSnapshot(await snapshotFacts(context)),
    ...(await credentialLines(context)),
    ...(await listenerLines(context)),
    ...proxyLines(context),
    ...(await acmeLines(context)),
  ];
}
