/** Judges the gateway's own machine, database and keys. */

import type { SealedCounts } from '../../connection/reseal.ts';
import { about, type Line } from './line.ts';

/** The majors that `engines` in package.json names, because they are tested. */
const testedNodes: readonly number[] = [24, 26];
const oldestPostgres = 15;

export function judgeNode(version: string): Line {
  const say = about('node', 'this machine');
  const major = Number.parseInt(version.replace(/^v/, ''), 10);
  const tested = testedNodes.join(' or ');
  if (testedNodes.includes(major)) return say.ok(version);
  return major < Math.min(...testedNodes)
    ? say.fail(version, `Run Espalier on Node.js ${tested}.`, 'espalier')
    : say.warn(version, `Run Espalier on Node.js ${tested}: others are not tested.`, 'espalier');
}

export interface DataDirFacts {
  readonly path: string;
  readonly exists: boolean;
  readonly writable: boolean;
  /** Permission bits; undefined where the system has none. */
  readonly mode: number | undefined;
  /** Files in it that hold keys and that others may read. */
  readonly openFiles: readonly string[];
}

export function judgeDataDir(facts: DataDirFacts): Line {
  const say = about('data-dir', facts.path);
  if (!facts.exists)
    return say.warn(
      'is not there yet',
      'Nothing is to be done: the gateway makes it when it starts.',
      'espalier',
    );
  if (!facts.writable)
    return say.fail('cannot be written', 'Give it to the user that the gateway runs as.', 'espalier');
  if (facts.openFiles.length > 0) {
    const list = facts.openFiles.join(', ');
    return say.fail(
      `others may read ${list}`,
      `chmod 600 ${list}, and make new keys if others are on this machine.`,
      'espalier',
    );
  }
  if (facts.mode !== undefined && (facts.mode & 0o022) !== 0)
    return say.fail(
      `others may write (mode ${(facts.mode & 0o777).toString(8)})`,
      `chmod 711 ${facts.path}`,
      'espalier',
    );
  return say.ok(`writable${facts.mode === undefined ? '' : `, mode ${(facts.mode & 0o777).toString(8)}`}`);
}

export type DatabaseFacts =
  | { readonly state: 'away'; readonly where: string; readonly code: string }
  | { readonly state: 'absent'; readonly where: string }
  /** `version`: `server_version_num`, 150004 for 15.4. */
  | { readonly state: 'there'; readonly where: string; readonly version: number };

export function judgeDatabase(facts: DatabaseFacts): Line {
  const say = about('database', facts.where);
  if (facts.state === 'absent')
    return say.warn(
      'there is no database yet',
      'Nothing is to be done: the first start of the gateway makes it.',
      'espalier',
    );
  if (facts.state === 'away') {
    return say.fail(
      `the database is away (${facts.code}): tenants and instances are not known, the rest is checked`,
      'Start it, or mend DATABASE_URL. A running gateway goes on with device calls from memory meanwhile.',
      'configuration',
    );
  }
  const major = Math.floor(facts.version / 10_000);
  const version = `PostgreSQL ${major}.${facts.version % 10_000}`;
  return major >= oldestPostgres
    ? say.ok(version)
    : say.fail(version, `Upgrade the server to PostgreSQL ${oldestPostgres} or newer.`, 'configuration');
}

export interface SnapshotFacts {
  readonly path: string;
  /** `embedded`: none is kept of such a database. Else the age of its data, or why it would not serve. */
  readonly found: 'embedded' | { readonly ageSeconds: number } | { readonly cause: string };
  /** ESPALIER_SNAPSHOT_MAX_AGE_SECONDS. */
  readonly maxAgeSeconds: number;
  /** Then a gateway renews it every minute. */
  readonly isDatabaseThere: boolean;
}

/** A snapshot that nobody has renewed for so long: ten times the interval. */
const snapshotIdleSeconds = 600;

export function judgeSnapshot({ found, isDatabaseThere, maxAgeSeconds, path }: SnapshotFacts): Line {
  const say = about('snapshot', path);
  if (found === 'embedded') return say.ok('none is kept of the embedded database');
  if ('cause' in found) {
    const remedy =
      'A gateway that serves from this data directory writes one within a minute of its start; see snapshot.not-written in its log.';
    const what = found.cause === 'absent' ? 'there is none' : `it would not serve (${found.cause})`;
    return isDatabaseThere ? say.warn(what, remedy, 'espalier') : say.fail(what, remedy, 'espalier');
  }
  const { ageSeconds } = found;
  const age = `what it holds was current ${Math.round(ageSeconds)} s ago`;
  if (!isDatabaseThere)
    return say.ok(`${age}, and serves for another ${Math.round((maxAgeSeconds - ageSeconds) / 60)} minutes`);
  return ageSeconds < snapshotIdleSeconds
    ? say.ok(age)
    : say.warn(age, 'Nobody renews it: see snapshot.not-written in the log of the gateway.', 'espalier');
}

/** A pooler before the database has to leave each connection its own session. */
export function judgePooler(sharesSessions: boolean): Line {
  const say = about('pooler', 'DATABASE_URL');
  return sharesSessions
    ? say.fail(
        'a pooler gives each transaction another session',
        'Set pool_mode = session in pgbouncer for this database, or name PostgreSQL itself in DATABASE_URL.',
        'configuration',
      )
    : say.ok('connections have sessions of their own');
}

export interface ConnectionFacts {
  /** Connections that the server, the role and the database allow; the least of the three. */
  readonly allowed: number;
  readonly used: number;
  /** ESPALIER_DATABASE_CONNECTIONS. */
  readonly budget: number;
}

/** Judges whether another process would find its connections. */
export function judgeConnections({ allowed, budget, used }: ConnectionFacts): Line {
  const say = about('database.connections', 'database');
  const found = `${used} of ${allowed} connections in use, up to ${budget} for each serve`;
  if (budget <= allowed - used) return say.ok(found);
  const remedy =
    'Raise max_connections (and the limits of role and database), lower ESPALIER_DATABASE_CONNECTIONS, or run fewer processes (ESPALIER_PROCESSES).';
  return budget > allowed
    ? say.fail(found, remedy, 'configuration')
    : say.warn(`${found}: another one would not find its own`, remedy, 'configuration');
}

/** Times of migrations; 0: none was ever applied. */
export function judgeMigrations(applied: number, newest: number, mode: 'auto' | 'off'): Line {
  const say = about('migrations', 'database');
  if (applied === newest) return say.ok('the schema is current');
  if (applied > newest)
    return say.warn(
      'the schema is newer than this build',
      'Run the newer build here too: this one may not know its tables.',
      'espalier',
    );
  const found = applied === 0 ? 'the database is empty' : 'migrations are pending';
  return mode === 'auto'
    ? say.warn(found, 'The next start of a gateway applies them; or run: espalier migrate', 'espalier')
    : say.fail(found, 'ESPALIER_MIGRATE is off: run espalier migrate.', 'espalier');
}

/** `seconds` since a gateway last looked; undefined: never. */
export function judgeGateway(seconds: number | undefined, processes: readonly string[]): Line {
  const say = about('gateway', 'database');
  if (seconds === undefined)
    return say.warn('no gateway has used this database yet', 'Start one: espalier serve', 'espalier');
  if (seconds > 120) {
    const found = `no gateway has delivered for ${Math.round(seconds / 60)} minutes`;
    return say.fail(
      found,
      'Start it (espalier serve), and look at the end of its log for why it stopped.',
      'espalier',
    );
  }
  return say.ok(processes.length === 0 ? 'delivering' : `delivering; answering: ${processes.join(', ')}`);
}

export interface SealedFacts {
  readonly counts: SealedCounts;
  /** Keys of ESPALIER_SECRETS_KEY, by their ids. */
  readonly keyIds: readonly string[];
  /** Number of secrets that each of them sealed. */
  readonly byKey: ReadonlyMap<string, number>;
  /** Rows whose secret opens with no key, as texts. */
  readonly unopened: readonly string[];
}

const shownRows = 10;

export function judgeSecrets({ byKey, counts, keyIds, unopened }: SealedFacts): Line[] {
  const say = about('secrets', 'ESPALIER_SECRETS_KEY');
  const lines: Line[] = [];
  if (unopened.length > 0) {
    const rest = unopened.length > shownRows ? ` and ${unopened.length - shownRows} more` : '';
    lines.push(
      say.fail(
        `no key opens the secret of ${unopened.slice(0, shownRows).join(', ')}${rest}`,
        'Put the key that sealed it back into ESPALIER_SECRETS_KEY, or give the instance or tenant its secret again.',
        'configuration',
      ),
    );
  }
  if (keyIds.length === 0) {
    lines.push(
      say.warn('there is no key', 'Set ESPALIER_SECRETS_KEY: openssl rand -base64 32', 'configuration'),
    );
    return lines;
  }
  const older = keyIds.slice(1);
  const needed = older.filter((id) => (byKey.get(id) ?? 0) > 0);
  if (needed.length > 0) {
    lines.push(
      say.warn(
        `${counts.old} secrets are still sealed by an older key (${needed.join(', ')})`,
        'Leave the older keys in the list: a running gateway seals them anew in the background, a hundred a second.',
        'espalier',
      ),
    );
  } else if (older.length > 0) {
    const which = older.length === 1 ? 'the second key is' : `the ${older.length} keys after the first are`;
    lines.push(
      say.warn(
        `${which} not needed any more for what is kept`,
        'Take the older keys out of ESPALIER_SECRETS_KEY when 24 hours have passed since the new one came first: answers and approvals that live so long are not sealed anew.',
        'configuration',
      ),
    );
  } else if (unopened.length === 0)
    lines.push(say.ok(`${counts.current} kept secrets, all sealed by the key ${keyIds[0]}`));
  return lines;
}
