import type { Sql } from '../../store/database.ts';
import { inTransaction } from '../../store/retry.ts';
import type { ComparedCall, Difference, DifferenceKind } from './compare.ts';

/** What shadowing found, gathered in memory and written together: never a statement for each call. */

export interface ComparedAnswer {
  readonly tenantId: string;
  readonly moveId: string;
  readonly call: ComparedCall;
  readonly deviceId: string;
  /** Undefined: the two are alike. */
  readonly difference: Difference | undefined;
}

export interface Findings {
  add(compared: ComparedAnswer): void;
  /** Writes what was added; what cannot be written is kept for the next time. */
  flush(): Promise<void>;
}

interface Found {
  readonly kind: DifferenceKind;
  readonly call: ComparedCall;
  readonly count: number;
  readonly deviceId: string;
  readonly example: string;
}

interface Gathered {
  readonly tenantId: string;
  readonly moveId: string;
  compared: number;
  differed: number;
  /** By kind and call: their number is bounded. */
  readonly found: Map<string, Found>;
}

/** The example is the last one: it is the one that can still be looked at. */
async function write(sql: Sql, { compared, differed, found, moveId, tenantId }: Gathered): Promise<void> {
  const rows = [...found.values()];
  await inTransaction(sql, async (tx) => {
    const known = await tx`
      update moves set compared = compared + ${compared}, differed = differed + ${differed}
      where tenant_id = ${tenantId} and move_id = ${moveId} returning 1`;
    if (known.length === 0 || rows.length === 0) return;
    await tx`
      insert into move_differences (tenant_id, move_id, kind, call, count, example_device_id, example)
      select ${tenantId}, ${moveId}, * from unnest(${rows.map(({ kind }) => kind)}::text[],
        ${rows.map(({ call }) => call)}::text[], ${rows.map(({ count }) => count)}::bigint[],
        ${rows.map(({ deviceId }) => deviceId)}::uuid[], ${rows.map(({ example }) => example)}::text[])
      on conflict (tenant_id, move_id, kind, call) do update set count = move_differences.count + excluded.count,
        example_device_id = excluded.example_device_id, example = excluded.example, last_at = now()`;
  });
}

export function createFindings(sql: Sql): Findings {
  let gathered = new Map<string, Gathered>();
  const of = ({ moveId, tenantId }: { moveId: string; tenantId: string }): Gathered => {
    const key = `${tenantId}/${moveId}`;
    const known = gathered.get(key);
    if (known) return known;
    const fresh = { tenantId, moveId, compared: 0, differed: 0, found: new Map<string, Found>() };
    gathered.set(key, fresh);
    return fresh;
  };
  const note = (into: Gathered, { call, count, deviceId, example, kind }: Found): void => {
    const key = `${kind} ${call}`;
    const before = into.found.get(key)?.count ?? 0;
    into.found.set(key, { kind, call, count: before + count, deviceId, example });
  };
  return {
    add: ({ call, deviceId, difference, moveId, tenantId }) => {
      const into = of({ tenantId, moveId });
      into.compared += 1;
      if (!difference) return;
      into.differed += 1;
      note(into, { ...difference, call, count: 1, deviceId });
    },
    flush: async () => {
      const writing = [...gathered.values()];
      gathered = new Map();
      for (const [at, one] of writing.entries()) {
        try {
          await write(sql, one);
        } catch (error) {
          for (const unwritten of writing.slice(at)) {
            const into = of(unwritten);
            into.compared += unwritten.compared;
            into.differed += unwritten.differed;
            for (const found of unwritten.found.values()) note(into, found);
          }
          throw error;
        }
      }
    },
  };
}
