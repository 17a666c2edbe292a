import { parse } from 'pg-connection-string';
import { databaseUrlParameters } from './database-url-parameters.ts';

/**
 * Reads DATABASE_URL as libpq does (PostgreSQL's documentation, 34.1 'Database Connection Control Functions'), so that
 * what psql connects with, Espalier connects with. Each parameter is honoured, knowingly ignored, or refused by name:
 * database-url-parameters.ts. pg-connection-string decodes the values and reads the certificates' files; what it does not
 * know, several hosts and libpq's modes without TLS, is added here.
 */

/** The message names the parameter and never holds a value: the URL carries a password. */
export class DatabaseUrlFault extends Error {
  override readonly name = 'DatabaseUrlFault';
}

/** Options of the driver that say where the database is and how it is reached. */
export interface DatabaseTarget {
  readonly host: string[];
  readonly port: number[];
  readonly user: string | undefined;
  readonly password: string | undefined;
  readonly database: string | undefined;
  readonly ssl: false | Readonly<Record<string, unknown>>;
  readonly sslnegotiation: 'direct' | null;
  readonly target_session_attrs: string | undefined;
  readonly connectTimeoutSeconds: number | undefined;
  /** Seconds of silence before the operating system asks whether the server is there; 0: never. */
  readonly keepAliveSeconds: number | undefined;
  readonly applicationName: string | undefined;
  /** Command-line options for the server's process, such as `-c search_path=…`. */
  readonly serverOptions: string | undefined;
}

type Environment = Readonly<Record<string, string | undefined>>;

export interface ReadUrlOptions {
  /** Environment of the process, for the PG* variables of parameters that the URL does not give. */
  readonly environment?: Environment;
  /** libpq's unless said: `prefer`. */
  readonly defaultSslMode?: 'disable' | 'prefer';
}

/** libpq tries these when no host is given: Debian's directory of sockets, PostgreSQL's own, then TCP. */
const defaultHosts = ['/var/run/postgresql', '/tmp', 'localhost'];
const maxPort = 65_535;

const refuse = (problem: string): never => {
  throw new DatabaseUrlFault(problem);
};

const shape = /^postgres(?:ql)?:\/\/(?:([^@/]*)@)?([^/?]*)(?:\/([^?]*))?(?:\?(.*))?$/s;

/** A value as libpq takes it: percent-encoded UTF-8, where `+` and `#` mean themselves. */
function checkEncoding(what: string, value: string): string {
  if (/%(?![0-9a-f]{2})/i.test(value)) refuse(`${what} has a % that encodes nothing: write %25`);
  if (/%00/.test(value)) refuse(`${what} has an encoded zero byte`);
  try {
    decodeURIComponent(value);
  } catch {
    refuse(`${what} is not percent-encoded UTF-8`);
  }
  // URLSearchParams reads + as a space and knows only encoded ones for certain.
  return value.replace(/%|[^%]+/g, (part) => (part === '%' ? part : encodeURIComponent(part)));
}

interface Pieces {
  readonly hosts: string | undefined;
  readonly ports: string | undefined;
  /** Values by libpq's names, still percent-encoded. */
  readonly values: Map<string, string>;
}

/** `h1:5432,[::1]:5433` as the lists of libpq's parameters `host` and `port`. */
function splitAuthority(authority: string): { hosts: string; ports: string } | undefined {
  if (authority === '') return undefined;
  const pairs = authority.split(',').map((part) => {
    const [, bracketed, plain, port] =
      /^(?:\[([^\]]*)\]|([^:[\]]*))(?::(\d*))?$/.exec(part) ??
      refuse('its host cannot be read: host:port, or [address]:port');
    return { host: bracketed ?? plain ?? '', port: port ?? '' };
  });
  return { hosts: pairs.map(({ host }) => host).join(','), ports: pairs.map(({ port }) => port).join(',') };
}

/**
 * A password with an unencoded @, / or ? reads as a part of the host, of the database's name or of the query. libpq would
 * look for that host, and say its name; here it is refused, because nothing of it may be shown.
 */
function checkMisplacedAt(
  userInfo: string | undefined,
  authority: string,
  path: string,
  query: string,
): void {
  const isNoParameter = (pair: string): boolean =>
    !pair.includes('=') || !databaseUrlParameters.has(pair.slice(0, pair.indexOf('=')));
  const isPassword =
    `${authority}${path}`.includes('@') ||
    (userInfo === undefined && query.includes('@') && query.split('&').some(isNoParameter));
  if (isPassword)
    refuse(
      'has an @ that does not end its password: in a user name, password or database name write %40 for @, %2F for / and %3F for ?',
    );
}

function splitUrl(url: string): Pieces {
  const [, userInfo, authority = '', path, query] =
    shape.exec(url) ?? refuse('is not a postgres:// or postgresql:// URL');
  checkMisplacedAt(userInfo, authority, path ?? '', query ?? '');
  const values = new Map<string, string>();
  const put = (name: string, what: string, value: string | undefined): void => {
    if (value !== undefined && value !== '') values.set(name, checkEncoding(what, value));
  };
  if (userInfo !== undefined) {
    const colon = userInfo.indexOf(':');
    put('user', 'its user name', colon < 0 ? userInfo : userInfo.slice(0, colon));
    put('password', 'its password', colon < 0 ? undefined : userInfo.slice(colon + 1));
  }
  put('dbname', 'its database name', path);
  for (const pair of (query ?? '').split('&').filter((one) => one !== '')) {
    const equals = pair.indexOf('=');
    const name = equals < 0 ? pair : pair.slice(0, equals);
    if (equals < 0) refuse(`the parameter ${shown(name)} has no value: write ${shown(name)}=…`);
    values.set(name, checkEncoding(`the parameter ${shown(name)}`, pair.slice(equals + 1)));
  }
  const own = splitAuthority(authority);
  if (own) checkEncoding('its host', own.hosts);
  return { hosts: own?.hosts, ports: own?.ports, values };
}

/** A name that a caller made up is shown cut and without what a terminal would obey. */
const shown = (name: string): string => name.replace(/[^\w.-]/g, '?').slice(0, 60);

/** JDBC's `ssl=true`, which libpq reads as `sslmode=require`. */
function translateJdbc(values: Map<string, string>): void {
  const ssl = values.get('ssl');
  if (ssl === undefined) return;
  if (ssl !== 'true') refuse('the parameter ssl may only be true: use sslmode');
  values.delete('ssl');
  if (!values.has('sslmode')) values.set('sslmode', 'require');
}

/** Every parameter is known, and its value one that can be honoured; the environment fills in what the URL leaves out. */
function checkParameters(values: Map<string, string>, environment: Environment): void {
  translateJdbc(values);
  for (const name of values.keys()) {
    if (!databaseUrlParameters.has(name))
      refuse(
        `the parameter ${shown(name)} is none of libpq's; a setting of the server is written options=-c%20name%3Dvalue`,
      );
  }
  for (const [name, parameter] of databaseUrlParameters) {
    const fromUrl = values.get(name);
    const variable = parameter.variable;
    const fromEnvironment = variable === undefined ? undefined : environment[variable];
    if (fromUrl === undefined && fromEnvironment !== undefined && fromEnvironment !== '')
      values.set(name, encodeURIComponent(fromEnvironment));
    const value = values.get(name);
    if (value === undefined) continue;
    const problem = parameter.problemOf?.(decodeURIComponent(value));
    if (problem === undefined) continue;
    refuse(`the parameter ${name}${fromUrl === undefined ? ` (${variable})` : ''} ${problem}`);
  }
}

function shuffle<T>(list: readonly T[]): T[] {
  return list
    .map((one) => ({ one, order: Math.random() }))
    .sort((a, b) => a.order - b.order)
    .map(({ one }) => one);
}

interface Place {
  /** Target of the connection: a name, an address, or a directory of Unix sockets. */
  readonly host: string;
  /** Name that the server's certificate must carry. */
  readonly name: string;
  readonly port: number;
}

const listOf = (text: string | undefined): string[] =>
  text === undefined || text === '' ? [] : text.split(',');

/** An abstract Unix socket is written with @ (libpq since 14), Node.js takes it with a zero byte. */
const asNodeHost = (host: string): string => (host.startsWith('@') ? `\0${host.slice(1)}` : host);

function placesOf(given: Readonly<Record<string, string | undefined>>): Place[] {
  const addresses = listOf(given.hostaddr);
  const names = listOf(given.host);
  const ports = listOf(given.port);
  const count = Math.max(addresses.length, names.length, 1);
  if (addresses.length > 0 && names.length > 0 && addresses.length !== names.length)
    refuse('the parameters host and hostaddr list different numbers of hosts');
  if (ports.length > 1 && ports.length !== count)
    refuse('the parameter port lists another number of ports than there are hosts');
  return Array.from({ length: count }).flatMap((_, index) => {
    const text = (ports.length > 1 ? ports[index] : ports[0]) ?? '';
    const port = text === '' ? 5_432 : Number(text);
    if (!Number.isInteger(port) || port < 1 || port > maxPort) refuse('the parameter port is not a port');
    const name = names[index] ?? '';
    const address = addresses[index] ?? '';
    if (address !== '') return [{ host: address, name: name === '' ? address : name, port }];
    if (name !== '') return [{ host: asNodeHost(name), name, port }];
    return defaultHosts.map((host) => ({ host, name: host, port }));
  });
}

/** Options of TLS. `prefer` and `allow` are read by our patch of the driver (docs/upstream/postgres.md). */
function tlsOf(
  given: Readonly<Record<string, string | undefined>>,
  parsed: ReturnType<typeof parse>,
  mode: string,
  places: readonly Place[],
): DatabaseTarget['ssl'] {
  if (mode === 'disable' || places.every(({ host }) => /^[/\0]/.test(host))) return false;
  const read = typeof parsed.ssl === 'object' ? parsed.ssl : {};
  const [only] = places;
  const named = places.filter(({ host, name }) => host !== name && !host.startsWith('\0'));
  if (named.length > 0 && places.length > 1 && mode === 'verify-full')
    refuse('the parameter hostaddr cannot be verified for several hosts: leave it out');
  return {
    ...read,
    ...(mode === 'prefer' || mode === 'allow' ? { rejectUnauthorized: false, [mode]: true } : {}),
    ...(only && named.length === 1 ? { servername: only.name, host: only.name } : {}),
    ...(given.sslsni === '0' ? { servername: '' } : {}),
    ...(given.sslpassword === undefined ? {} : { passphrase: given.sslpassword }),
    ...(given.ssl_min_protocol_version ? { minVersion: given.ssl_min_protocol_version } : {}),
    ...(given.ssl_max_protocol_version ? { maxVersion: given.ssl_max_protocol_version } : {}),
  };
}

/** The mode in force, or why it cannot be. */
function sslModeOf(given: Readonly<Record<string, string | undefined>>, fallback: string): string {
  const system = given.sslrootcert === 'system';
  const mode = given.sslmode ?? (system ? 'verify-full' : fallback);
  if (system && mode !== 'verify-full')
    refuse(
      'the parameter sslmode must be verify-full with sslrootcert=system: anybody may get a certificate of a public authority',
    );
  if (mode === 'verify-ca' && given.sslrootcert === undefined)
    refuse('the parameter sslmode is verify-ca, which needs sslrootcert');
  if (given.sslnegotiation === 'direct' && ['disable', 'allow', 'prefer'].includes(mode))
    refuse(
      'the parameter sslnegotiation may only be direct where sslmode is require, verify-ca or verify-full',
    );
  return mode;
}

/** pg-connection-string decodes everything out of one canonical string, and reads the files of the certificates. */
function decode(values: ReadonlyMap<string, string>, sslmode?: string): ReturnType<typeof parse> {
  const files = new Set(['sslcert', 'sslkey', 'sslrootcert', 'sslmode']);
  const query = [...values]
    .filter(([name, value]) =>
      sslmode === undefined ? !files.has(name) : name !== 'sslmode' && value !== 'system',
    )
    .map(([name, value]) => `${name}=${value}`);
  if (sslmode !== undefined) query.push(`sslmode=${sslmode === 'allow' ? 'prefer' : sslmode}`);
  try {
    return parse(`postgres:///?${query.join('&')}`, { useLibpqCompat: true });
  } catch (error) {
    const { code, message, path } = error as { code?: string; message: string; path?: string };
    const which = ['sslcert', 'sslkey', 'sslrootcert'].find(
      (name) => path !== undefined && decodeURIComponent(values.get(name) ?? '') === path,
    );
    return refuse(
      which === undefined
        ? `cannot be read: ${code ?? message}`
        : `the file of its parameter ${which} cannot be read: ${code}`,
    );
  }
}

const processEnvironment = (): Environment => globalThis.process?.env ?? {};

/** Throws `DatabaseUrlFault`. Reads the files of certificates that the URL names. */
export function readDatabaseUrl(url: string, options: ReadUrlOptions = {}): DatabaseTarget {
  const { hosts, ports, values } = splitUrl(url);
  if (hosts !== undefined && hosts.replaceAll(',', '') !== '' && !values.has('host'))
    values.set('host', hosts);
  if (ports !== undefined && ports.replaceAll(',', '') !== '' && !values.has('port'))
    values.set('port', ports);
  checkParameters(values, options.environment ?? processEnvironment());
  const given = decode(values) as unknown as Readonly<Record<string, string | undefined>>;
  const mode = sslModeOf(
    {
      ...given,
      ...Object.fromEntries(['sslmode', 'sslrootcert'].map((name) => [name, decoded(values, name)])),
    },
    options.defaultSslMode ?? 'prefer',
  );
  const written = placesOf(given);
  const places = given.load_balance_hosts === 'random' ? shuffle(written) : written;
  const several = listOf(given.host).length > 1 || listOf(given.hostaddr).length > 1;
  return {
    host: places.map(({ host }) => host),
    port: places.map(({ port }) => port),
    user: given.user || undefined,
    password: given.password || undefined,
    database: given.dbname || undefined,
    ssl: tlsOf(given, decode(values, mode), mode, places),
    sslnegotiation: given.sslnegotiation === 'direct' ? 'direct' : null,
    // Espalier writes: of several hosts a standby is of no use.
    target_session_attrs: given.target_session_attrs ?? (several ? 'read-write' : undefined),
    connectTimeoutSeconds: Number(given.connect_timeout) > 0 ? Number(given.connect_timeout) : undefined,
    keepAliveSeconds: given.keepalives === '0' ? 0 : Number(given.keepalives_idle) || undefined,
    applicationName: given.application_name || undefined,
    serverOptions: given.options || undefined,
  };
}

const decoded = (values: ReadonlyMap<string, string>, name: string): string | undefined => {
  const value = values.get(name);
  return value === undefined || value === '' ? undefined : decodeURIComponent(value);
};

/** Describes the fault of the URL in words that hold nothing of its secrets; undefined: none. */
export function databaseUrlProblem(url: string, options: ReadUrlOptions = {}): string | undefined {
  try {
    readDatabaseUrl(url, options);
    return undefined;
  } catch (error) {
    if (error instanceof DatabaseUrlFault) return error.message;
    throw error;
  }
}

/** Hosts and database, without user and password. */
export function describeDatabaseUrl(url: string): string {
  const { database, host, port, user } = readDatabaseUrl(url);
  const places = host.map((one, index) => {
    if (/^[/\0]/.test(one)) return one.replace('\0', '@');
    return `${one.includes(':') ? `[${one}]` : one}:${port[index]}`;
  });
  return `${places.join(',')}/${database ?? user ?? ''}`;
}
