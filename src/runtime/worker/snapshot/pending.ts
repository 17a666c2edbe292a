import { bucketRouteChanges, sheetsAtOnce } from '../../../limits.ts';
import type { Change, ChangeListener } from '../../../store/change-feed.ts';
import { shardOf, type TenantScope } from '../../../store/tenant-scope.ts';

/** The parts of a tenant that the bucket does not have yet. */
export interface TenantTask {
  /** Everything; else the sheet, and what the versions of the routes changed. */
  readonly all: boolean;
  readonly versions: readonly number[];
  /** Routes that these versions changed. */
  readonly changes: number;
}

export interface Pending extends ChangeListener {
  /** Everything is to be written; whoever writes says `addAll`. */
  readonly everything: boolean;
  /** Replaces all tasks: every one of these tenants is to be written. */
  addAll(tenantIds: Iterable<string>): void;
  readonly isEmpty: boolean;
  /** Some tasks, which stay until they are done. */
  some(): ReadonlyMap<string, TenantTask>;
  done(tenantId: string, task: TenantTask): void;
}

/** The shard's tenants that changed since they were written to the bucket. */
export function createPending({ of, shard }: TenantScope): Pending {
  const tasks = new Map<string, TenantTask>();
  let everything = false;
  const add = (change: Change): void => {
    const { tenantId } = change;
    if (change.kind === 'move' || shardOf(tenantId, of) !== shard) return;
    const known = tasks.get(tenantId) ?? { all: false, versions: [], changes: 0 };
    if (change.kind !== 'routes') tasks.set(tenantId, { ...known });
    else {
      const changes = known.changes + change.changes;
      const all = known.all || changes > bucketRouteChanges;
      tasks.set(tenantId, { all, changes, versions: all ? [] : [...known.versions, change.version] });
    }
  };
  return {
    apply: (changes) => changes.forEach(add),
    forget: () => {
      everything = true;
    },
    get everything() {
      return everything;
    },
    addAll: (tenantIds) => {
      tasks.clear();
      for (const tenantId of tenantIds) tasks.set(tenantId, { all: true, versions: [], changes: 0 });
      everything = false;
    },
    get isEmpty() {
      return !everything && tasks.size === 0;
    },
    some: () => new Map([...tasks].slice(0, sheetsAtOnce)),
    // A task that grew meanwhile is another one.
    done: (tenantId, task) => {
      if (tasks.get(tenantId) === task) tasks.delete(tenantId);
    },
  };
}
