/** The findings of shadowing are gathered in memory and written together: never a statement for each call. */

import type { Sql } from '../../store/database.ts';
import { addCompared } from '../../store/moves/move.ts';
import { addDifferences } from '../../store/moves/move-differences.ts';
import { inTransaction } from '../../store/retry.ts';
import type { ComparedCall, Difference, DifferenceKind } from './compare.ts';

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
  /** Findings by kind and call: their number is bounded. */
  readonly found: Map<string, Found>;
}

/** The example is the last one: it is the one that can still be looked at. */
async function write(sql: Sql, gathered: Gathered): Promise<void> {
  await inTransaction(sql, async (tx) => {
    if (await addCompared(tx, gathered)) await addDifferences(tx, gathered, [...gathered.found.values()]);
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
