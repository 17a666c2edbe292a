import { createBoundedCache } from '../../bounded-cache.ts';
import {
  maxMoved,
  type ServedQuestion,
  type ServedVersion,
  type ServedVersions,
} from '../../store/served.ts';

/** The tenants that a directory was asked about lately, as it last read them, and which devices moved since it began to. */

interface Move {
  readonly deviceId: string;
  /** That of the reading which found it: the move's own, or one after it. */
  readonly version: number;
}

interface Followed {
  /** undefined: not read yet. */
  known: Pick<ServedVersion, 'served' | 'routes'> | undefined;
  /** Every move after this version is in `moves`, oldest first. */
  movesFrom: number;
  moves: Move[];
  askedAtMs: number;
}

export interface FollowedTenants {
  /** They are read from now on, whoever asked. */
  ask(tenantIds: readonly string[]): void;
  /** One question for each tenant that somebody asked about within the last minute. */
  questions(): readonly ServedQuestion[];
  take(read: ServedVersions): void;
  /** undefined: not read yet. */
  answer(question: ServedQuestion): ServedVersion | undefined;
}

/** An object shares 128 MB; a tenant with all its moves is 100 KB, and without any 200 B. */
const maxTenants = 5_000;
const forgottenAfterMs = 60_000;
/** Strangers may ask about tenants that never were: these have a place of their own, and not for long. */
const maxUnknown = 1_000;
const unknownForgottenAfterMs = 1_000;

/** `now`: milliseconds of a clock that never goes back. */
export function createFollowedTenants(now: () => number): FollowedTenants {
  const tenants = createBoundedCache<string, Followed>(maxTenants);
  /** Not read yet, or there never was such a tenant. */
  const unknown = createBoundedCache<string, Followed>(maxUnknown);
  let history: string | undefined;
  const peek = (tenantId: string) => tenants.peek(tenantId) ?? unknown.peek(tenantId);
  const forgetOld = (some: typeof tenants, afterMs: number): void => {
    for (const [tenantId, { askedAtMs }] of some.entries())
      if (now() - askedAtMs > afterMs) some.delete(tenantId);
  };

  const take = ({ tenantId, served, routes, moved }: ServedVersion): void => {
    const followed = peek(tenantId);
    if (followed === undefined) return;
    const reborn = followed.known !== undefined && routes < followed.known.routes;
    if (followed.known === undefined || moved === undefined || reborn) {
      followed.moves = [];
      followed.movesFrom = routes;
    } else {
      followed.moves.push(...moved.map((deviceId) => ({ deviceId, version: routes })));
      const over = followed.moves.length - maxMoved;
      const last = followed.moves[over - 1];
      if (last !== undefined) {
        followed.movesFrom = last.version;
        followed.moves = followed.moves.filter(({ version }) => version > last.version);
      }
    }
    followed.known = { served, routes };
    if (served > 0 && unknown.delete(tenantId)) tenants.set(tenantId, followed);
  };
  return {
    ask: (tenantIds) => {
      for (const tenantId of tenantIds) {
        const followed = tenants.get(tenantId) ?? unknown.get(tenantId);
        if (followed !== undefined) followed.askedAtMs = now();
        else unknown.set(tenantId, { known: undefined, movesFrom: 0, moves: [], askedAtMs: now() });
      }
    },
    questions: () => {
      forgetOld(tenants, forgottenAfterMs);
      forgetOld(unknown, unknownForgottenAfterMs);
      return [...tenants.entries(), ...unknown.entries()].map(([tenantId, { known }]) => ({
        tenantId,
        routesFrom: known?.routes,
      }));
    },
    take: (read) => {
      if (history !== read.history) for (const followed of tenants.values()) followed.known = undefined;
      history = read.history;
      for (const version of read.tenants) take(version);
    },
    answer: ({ routesFrom, tenantId }) => {
      const followed = peek(tenantId);
      if (followed?.known === undefined) return undefined;
      const { known, moves, movesFrom } = followed;
      const follows = routesFrom !== undefined && routesFrom >= movesFrom && routesFrom <= known.routes;
      const since = follows ? moves.filter(({ version }) => version > routesFrom) : undefined;
      return { tenantId, ...known, moved: since?.map(({ deviceId }) => deviceId) };
    },
  };
}
