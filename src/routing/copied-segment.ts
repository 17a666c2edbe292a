/**
 * A segment of the route table at one moment, with numbers of its own for tenants and instances: the table gives its numbers
 * to others in time, so an entry that is read later would be another tenant's.
 */

import type { InternedIds } from './interned-ids.ts';
import { entryWords, instanceMask, instanceWord, type RouteSegment, tenantWord } from './route-segment.ts';

export interface CopiedSegment {
  /** GUIDs, four words each; the entries name them by position. */
  readonly tenants: Int32Array;
  /** The tenants' GUIDs once more as texts, which are there anyway. */
  readonly tenantIds: readonly string[];
  readonly instances: Int32Array;
  /** As in the table, one after the other: a tenant's word is its position + 1, an instance's has no mark of use. */
  readonly entries: Int32Array;
}

/** Numbers in the order in which they are first asked for. */
class CopiedIds {
  readonly #ids: InternedIds;
  /** By the table's number, the own one + 1. */
  readonly #own: Int32Array;
  readonly #held: number[] = [];

  constructor(ids: InternedIds) {
    this.#ids = ids;
    this.#own = new Int32Array(ids.end);
  }

  numberOf(index: number): number {
    const known = this.#own[index] as number;
    if (known > 0) return known - 1;
    this.#held.push(index);
    this.#own[index] = this.#held.length;
    return this.#held.length - 1;
  }

  texts(): string[] {
    return this.#held.map((index) => this.#ids.text(index));
  }

  words(): Int32Array {
    const words = new Int32Array(this.#held.length * 4);
    for (const [position, index] of this.#held.entries()) this.#ids.copyWords(index, words, position * 4);
    return words;
  }
}

/** The entries that can be found, so none of a dropped tenant. Takes some milliseconds for a full segment. */
export function copySegment(
  { entries, words }: Pick<RouteSegment, 'entries' | 'words'>,
  tenantIds: InternedIds,
  instanceIds: InternedIds,
): CopiedSegment {
  const [tenants, instances] = [new CopiedIds(tenantIds), new CopiedIds(instanceIds)];
  const copy = new Int32Array(entries * entryWords);
  let end = 0;
  for (let at = 0; at < words.length; at += entryWords) {
    const tenant = (words[at + tenantWord] as number) - 1;
    if (tenant < 0 || tenantIds.isRetired(tenant)) continue;
    for (let offset = 0; offset < entryWords; offset += 1) copy[end + offset] = words[at + offset] as number;
    copy[end + tenantWord] = tenants.numberOf(tenant) + 1;
    copy[end + instanceWord] = instances.numberOf((words[at + instanceWord] as number) & instanceMask);
    end += entryWords;
  }
  return {
    tenants: tenants.words(),
    tenantIds: tenants.texts(),
    instances: instances.words(),
    entries: copy.subarray(0, end),
  };
}
