import type {
  RouteChange,
  RouteName,
  RouteReader,
  VersionedRoute,
} from '../../../src/routing/route-reader.ts';
import type { RouteTarget } from '../../../src/routing/route-table.ts';
import type { Change, ChangeSource, Poll } from '../../../src/store/change-feed.ts';

/**
 * The tables that routing and the change feed use, in memory, with PostgreSQL's rules: a transaction's number is given
 * out before it commits, a tenant's versions are numbered under a lock that is held until then, and a statement sees what
 * was committed when it began. Compared with the real one in test/conformance.
 */
export interface MemoryDatabase extends ChangeSource, RouteReader {
  begin(): MemoryTransaction;
  readonly routes: ReadonlyMap<string, Omit<VersionedRoute, 'bornAtMs'>>;
  /** What a tenant's row says; undefined: there is none. */
  tenant(tenantId: string): { readonly value: number } | undefined;
  /** All routes at this moment. */
  copyRoutes(): readonly (RouteName & Omit<VersionedRoute, 'bornAtMs'>)[];
  /** A backup that `restore` brings back as another history. */
  backUp(): void;
  restore(): void;
}

export interface MemoryTransaction {
  /** Resolves when the tenant's lock is had; undefined as target ends the route. */
  writeRoutes(tenantId: string, writes: ReadonlyMap<string, RouteTarget | undefined>): Promise<void>;
  /** The row with another value. */
  writeTenant(tenantId: string, value: number): void;
  /** The row and all routes go; with a value a new tenant of the same id is there at once. */
  deleteTenant(tenantId: string, again?: number): void;
  commit(): void;
  rollback(): void;
}

interface FeedRow {
  readonly transaction: number;
  readonly changeId: number;
  readonly change: Change;
}

interface Tables {
  readonly routes: Map<string, Omit<VersionedRoute, 'bornAtMs'>>;
  readonly versions: Map<string, number>;
  readonly history: Map<string, RouteChange[]>;
  readonly tenants: Map<string, { readonly value: number; readonly born: number }>;
  feed: FeedRow[];
}

const emptyTables = (): Tables => ({
  routes: new Map(),
  versions: new Map(),
  history: new Map(),
  tenants: new Map(),
  feed: [],
});

const copyOf = (tables: Tables): Tables => ({
  routes: new Map(tables.routes),
  versions: new Map(tables.versions),
  history: new Map([...tables.history].map(([key, lines]) => [key, [...lines]])),
  tenants: new Map(tables.tenants),
  feed: [...tables.feed],
});

const routeName = (tenantId: string, deviceId: string): string => `${tenantId}/${deviceId}`;
const versionName = (tenantId: string, version: number): string => `${tenantId}/${version}`;

function seenBy(snapshot: string): (transaction: number) => boolean {
  const [, next, underWay = ''] = snapshot.split(':');
  const open = new Set(underWay.split(',').filter(Boolean).map(Number));
  return (transaction) => transaction < Number(next) && !open.has(transaction);
}

export function createMemoryDatabase(nowMs: () => number): MemoryDatabase {
  let tables = emptyTables();
  let backup: { readonly tables: Tables; readonly nextTransaction: number } | undefined;
  let history = 1;
  let nextTransaction = 1;
  let nextChange = 1;
  let births = 1;
  let open = new Set<number>();
  let locks = new Map<string, Promise<void>>();

  const snapshot = (): string => {
    const underWay = [...open].sort((a, b) => a - b);
    return `${underWay[0] ?? nextTransaction}:${nextTransaction}:${underWay.join(',')}`;
  };
  const begin = (): MemoryTransaction => {
    const transaction = nextTransaction;
    nextTransaction += 1;
    open.add(transaction);
    const mine = history;
    const effects: (() => void)[] = [];
    const releases: (() => void)[] = [];
    const feed = (change: Change): void => {
      const changeId = nextChange;
      nextChange += 1;
      effects.push(() => tables.feed.push({ transaction, changeId, change }));
    };
    const lock = async (tenantId: string): Promise<void> => {
      for (let held = locks.get(tenantId); held; held = locks.get(tenantId)) await held;
      const { promise, resolve } = Promise.withResolvers<void>();
      locks.set(tenantId, promise);
      releases.push(() => {
        locks.delete(tenantId);
        resolve();
      });
    };
    const end = (): void => {
      if (mine !== history) return;
      open.delete(transaction);
      for (const release of releases) release();
    };
    return {
      writeRoutes: async (tenantId, writes) => {
        await lock(tenantId);
        if (mine !== history || !tables.tenants.has(tenantId)) return;
        const version = (tables.versions.get(tenantId) ?? 0) + 1;
        feed({ kind: 'routes', tenantId, version, changes: writes.size });
        effects.push(() => {
          tables.versions.set(tenantId, version);
          const lines = [...writes].map(
            ([deviceId, to]): RouteChange => ({ tenantId, deviceId, version, to }),
          );
          tables.history.set(versionName(tenantId, version), lines);
          for (const { deviceId, to } of lines)
            if (to) tables.routes.set(routeName(tenantId, deviceId), { ...to, version });
            else tables.routes.delete(routeName(tenantId, deviceId));
        });
      },
      writeTenant: (tenantId, value) => {
        feed({ kind: 'tenant', tenantId });
        effects.push(() => {
          const row = tables.tenants.get(tenantId);
          births += 1;
          tables.tenants.set(tenantId, { value, born: row?.born ?? births });
        });
      },
      deleteTenant: (tenantId, again) => {
        feed({ kind: 'tenant', tenantId });
        effects.push(() => {
          tables.tenants.delete(tenantId);
          tables.versions.delete(tenantId);
          for (const name of [...tables.routes.keys()])
            if (name.startsWith(tenantId)) tables.routes.delete(name);
          for (const name of [...tables.history.keys()])
            if (name.startsWith(tenantId)) tables.history.delete(name);
          births += 1;
          if (again !== undefined) tables.tenants.set(tenantId, { value: again, born: births });
        });
      },
      commit: () => {
        if (mine === history) for (const effect of effects) effect();
        end();
      },
      rollback: end,
    };
  };
  return {
    begin,
    get routes() {
      return tables.routes;
    },
    tenant: (tenantId) => tables.tenants.get(tenantId),
    copyRoutes: () =>
      [...tables.routes].map(([name, route]) => {
        const [tenantId = '', deviceId = ''] = name.split('/');
        return { tenantId, deviceId, ...route };
      }),
    backUp: () => {
      backup = { tables: copyOf(tables), nextTransaction };
    },
    restore: () => {
      if (!backup) return;
      tables = copyOf(backup.tables);
      nextTransaction = backup.nextTransaction;
      history += 1;
      open = new Set();
      locks = new Map();
    },
    poll: async (since, max): Promise<Poll> => {
      const seen = since === undefined ? () => true : seenBy(since);
      const rows = tables.feed.filter(({ transaction }) => !seen(transaction));
      rows.sort((a, b) => a.changeId - b.changeId);
      return {
        snapshot: snapshot(),
        atMs: nowMs(),
        history: String(history),
        changes: rows.length > max ? undefined : rows.map(({ change }) => change),
      };
    },
    prune: async (snapshotSeen) => {
      const oldest = Number(snapshotSeen?.split(':')[0] ?? 0);
      tables.feed = tables.feed.filter(({ transaction }) => transaction >= oldest);
      return false;
    },
    read: async (names) =>
      names.map(({ deviceId, tenantId }) => {
        const route = tables.routes.get(routeName(tenantId, deviceId));
        return route && { ...route, bornAtMs: tables.tenants.get(tenantId)?.born ?? 0 };
      }),
    births: async (tenantIds) =>
      new Map(
        [...tables.tenants]
          .filter(([tenantId]) => tenantIds === undefined || tenantIds.includes(tenantId))
          .map(([tenantId, { born }]) => [tenantId, born]),
      ),
    changes: async function* (versions) {
      for (const [tenantId, some] of Map.groupBy(versions, (version) => version.tenantId)) {
        const numbers = some.map(({ version }) => version).sort((a, b) => a - b);
        yield numbers.flatMap((version) => tables.history.get(versionName(tenantId, version)) ?? []);
      }
    },
  };
}
