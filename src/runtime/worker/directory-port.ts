import type { ServedQuestion, ServedVersion } from '../../store/served.ts';
import type { TenantScope } from '../../store/tenant-scope.ts';

/** The object that says whether what isolates remember still holds, as they and their platform see it. */

export interface DirectoryAnswer {
  /** Milliseconds since the reading began that the answer is of. */
  readonly ageMs: number;
  /** Versions of another history of the database say nothing of each other. */
  readonly history: string;
  /** One for each question, in their order. */
  readonly tenants: readonly ServedVersion[];
}

export interface Directory {
  /** Rejects where the versions cannot be read. */
  versions(asked: readonly ServedQuestion[]): Promise<DirectoryAnswer>;
}

/** The object keeps the shard's part of the snapshot, too (snapshot/keeper.ts). */
export interface DirectoryObject extends Directory {
  keep(scope: TenantScope): Promise<void>;
}

/** Part of the binding of the object's class. */
export interface DirectoryNamespace {
  idFromName(name: string): unknown;
  get(id: never): DirectoryObject;
}
