import { createBoundedCache } from '../../bounded-cache.ts';
import { within } from '../../deadline.ts';
import type { After } from '../../joining.ts';
import { warmBelievedMs } from '../../limits.ts';
import type { Confirmations } from '../../store/confirmations.ts';
import type { ServedQuestion, ServedVersion } from '../../store/served.ts';
import { shardOf } from '../../store/tenant-scope.ts';
import type { Log } from '../../telemetry/log.ts';
import type { DirectoryAnswer, DirectoryNamespace } from './directory-port.ts';
import { directoryName } from './waker.ts';

/**
 * An isolate's side of the directory objects. A version says that what was read while it stood is still so; it is known by the
 * time at which an answer with it came. All that is kept is data: no request waits for another one's question.
 */

/** A version of the tenant; what was read after it was known is as new, or newer. */
export interface ReadUnder extends Pick<ServedVersion, 'served' | 'routes'> {
  readonly history: string;
}

interface Known {
  version: ServedVersion;
  history: string;
  /** What was read from then on was read under `version`, save routes that moved later. */
  sinceMs: number;
  /** What was read before then has changed; never: nothing is known of that. */
  changedAtMs: number;
  /** The same of all routes, and of single ones. */
  routesChangedAtMs: number;
  readonly movedAtMs: Map<string, number>;
  /** The version stood at this time. */
  confirmedAtMs: number;
  /** What was read until then may be of another isolate, and was confirmed no later than the version. */
  sharedAtMs: number;
  askedAtMs: number;
}

export interface IsolateConfirmations extends Confirmations {
  /** The tenant is about to be read from the snapshot, of which no version says anything. */
  forget(tenantId: string): void;
  /** A version of the tenant was read from the database a moment ago. */
  isConfirmed(tenantId: string): boolean;
  /** That version, under which rows are read now; undefined: there is none. */
  readUnder(tenantId: string): ReadUnder | undefined;
  /**
   * True where what any isolate read under `under` is still so: of the tenant and its instances, or of this device. It may be
   * taken for read now, and is believed for no longer than the version's own confirmation allows. Never rejects.
   */
  stands(tenantId: string, under: ReadUnder, deviceId?: string): Promise<boolean>;
}

const never = Number.NEGATIVE_INFINITY;
const maxTenants = 5_000;
/** A tenant with more moves than that has all its routes read again, for an isolate has 128 MB for all tenants. */
const maxMovedKept = 100;
/** A version that is older is asked for behind the caller, and not more often than twice a second. */
const renewAfterMs = 1_000;
const renewEveryMs = 500;
/** A caller waits no longer for the object, and the next one asks it again only after a second. */
const answeredWithinMs = 500;
const retryAfterMs = 1_000;

/**
 * A clock that never gives the same value twice; that of the platform stands still between two inputs. Where that is set back
 * this one goes on from where it was.
 */
export function createStrictClock(clock: () => number): () => number {
  let read = never;
  let last = never;
  let behind = 0;
  return () => {
    const at = clock();
    if (at < read) behind += read - at;
    read = at;
    last = Math.max(at + behind, last + 0.001);
    return last;
  };
}

const late = (): never => {
  throw new Error('the directory does not answer');
};

/** `answer` was received at `atMs`, and is of the time `asOfMs` or later. */
function takeInto(known: Known, answer: ServedVersion, history: string, atMs: number, asOfMs: number): void {
  const { version } = known;
  if (history !== known.history || answer.served > version.served) {
    known.sinceMs = atMs;
    known.changedAtMs = atMs;
    known.movedAtMs.clear();
  } else if (answer.served < version.served || answer.routes < version.routes)
    // It was overtaken by a later one.
    return;
  else if (answer.routes > version.routes) {
    for (const deviceId of answer.moved ?? []) known.movedAtMs.set(deviceId, atMs);
    if (answer.moved === undefined || known.movedAtMs.size > maxMovedKept) {
      known.routesChangedAtMs = atMs;
      known.movedAtMs.clear();
    }
  }
  known.version = answer;
  known.history = history;
  known.confirmedAtMs = Math.max(known.confirmedAtMs, asOfMs);
}

export interface ConfirmationsOptions {
  readonly namespace: DirectoryNamespace;
  readonly shards: number;
  readonly after: After;
  /** A strict clock. */
  readonly now: () => number;
  readonly log: Log;
}

/** Asks the object of the tenant's shard; undefined: it does not answer, or did not a moment ago. */
function createQuestions({ log, namespace, now, shards }: ConfirmationsOptions) {
  const failedAtMs = new Map<number, number>();
  return async (question: ServedQuestion): Promise<DirectoryAnswer | undefined> => {
    const shard = shardOf(question.tenantId, shards);
    if (now() - (failedAtMs.get(shard) ?? never) < retryAfterMs) return undefined;
    try {
      const directory = namespace.get(namespace.idFromName(directoryName({ shard, of: shards })) as never);
      return await within(directory.versions([question]), answeredWithinMs, late);
    } catch (error) {
      failedAtMs.set(shard, now());
      log.warn('directory.not-asked', { shard, of: shards, error });
      return undefined;
    }
  };
}

export function createConfirmations(options: ConfirmationsOptions): IsolateConfirmations {
  const { after, now } = options;
  const tenants = createBoundedCache<string, Known>(maxTenants);
  const answerTo = createQuestions(options);

  const take = (
    tenantId: string,
    { ageMs, history, tenants: answers }: DirectoryAnswer,
    askedAtMs: number,
  ) => {
    const [version] = answers;
    // There never was such a tenant: strangers push out nobody.
    if (version === undefined || version.served === 0) return;
    const atMs = now();
    // The object's clock may have been set back since its reading.
    const asOfMs = askedAtMs - Math.max(0, ageMs);
    const known = tenants.get(tenantId);
    if (known !== undefined) return takeInto(known, version, history, atMs, asOfMs);
    tenants.set(tenantId, {
      ...{ version, history, askedAtMs },
      sinceMs: atMs,
      changedAtMs: never,
      routesChangedAtMs: never,
      movedAtMs: new Map(),
      confirmedAtMs: asOfMs,
      sharedAtMs: never,
    });
  };
  const question = async (tenantId: string): Promise<void> => {
    const askedAtMs = now();
    const known = tenants.peek(tenantId);
    if (known !== undefined) known.askedAtMs = askedAtMs;
    const answer = await answerTo({ tenantId, routesFrom: known?.version.routes });
    if (answer !== undefined) take(tenantId, answer, askedAtMs);
  };
  const confirmed = (tenantId: string): Known | undefined => {
    const known = tenants.peek(tenantId);
    return known && now() - known.confirmedAtMs < warmBelievedMs ? known : undefined;
  };
  /** A confirmed version under which a row of `under` is as it was, save a route. */
  const sameServed = (tenantId: string, { history, served }: ReadUnder): Known | undefined => {
    const known = confirmed(tenantId);
    return known?.history === history && known.version.served === served ? known : undefined;
  };
  /** No version of the routes between that one and the confirmed one is the device's. */
  const hasStayed = async (
    tenantId: string,
    { history, routes: routesFrom, served }: ReadUnder,
    deviceId: string,
  ): Promise<boolean> => {
    const atLeast = tenants.peek(tenantId)?.version.routes ?? routesFrom;
    if (routesFrom >= atLeast) return routesFrom === atLeast;
    const answer = await answerTo({ tenantId, routesFrom });
    const [version] = answer?.history === history ? answer.tenants : [];
    if (version?.served !== served || version.routes < atLeast) return false;
    return version.moved?.includes(deviceId) === false;
  };
  return {
    now,
    holds: (tenantId, readAtMs, deviceId) => {
      const atMs = now();
      const known = tenants.peek(tenantId);
      if (known === undefined) return atMs - readAtMs < warmBelievedMs;
      if (readAtMs < known.changedAtMs) return false;
      if (deviceId !== undefined) {
        if (readAtMs < known.routesChangedAtMs) return false;
        if (readAtMs < (known.movedAtMs.get(deviceId) ?? never)) return false;
      }
      const ownMs = readAtMs <= known.sharedAtMs ? never : readAtMs;
      const confirmedAtMs = readAtMs < known.sinceMs ? ownMs : Math.max(ownMs, known.confirmedAtMs);
      if (atMs - confirmedAtMs >= warmBelievedMs) return false;
      if (atMs - known.confirmedAtMs >= renewAfterMs && atMs - known.askedAtMs >= renewEveryMs)
        after(question(tenantId));
      return true;
    },
    ask: async (tenantId) => {
      tenants.get(tenantId);
      if (confirmed(tenantId) === undefined) await question(tenantId);
    },
    forget: (tenantId) => {
      tenants.delete(tenantId);
    },
    isConfirmed: (tenantId) => confirmed(tenantId) !== undefined,
    readUnder: (tenantId) => {
      const { history, version } = confirmed(tenantId) ?? {};
      if (history === undefined || version === undefined) return undefined;
      return { history, served: version.served, routes: version.routes };
    },
    stands: async (tenantId, under, deviceId) => {
      if (sameServed(tenantId, under) === undefined) return false;
      if (deviceId !== undefined && !(await hasStayed(tenantId, under, deviceId))) return false;
      // Another answer may have come meanwhile.
      const known = sameServed(tenantId, under);
      if (known !== undefined) known.sharedAtMs = now();
      return known !== undefined;
    },
  };
}
