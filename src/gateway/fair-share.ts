/**
 * Bounds what one tenant, and one part of it (an instance, an application that calls), holds of something at the same time:
 * requests under way, bytes of bodies. A tenant may hold a quarter of what there is and a part half of that, so that the
 * others always find the rest; what is left over when nobody else wants it is the price.
 *
 * What strangers may hold has a bound of its own, so that they can take nothing from whoever showed a valid credential.
 */

import { createBoundedCache } from '../bounded-cache.ts';
import { type Problem, problem } from '../problems.ts';

/** The amount that one tenant, or all of them together, hold now. */
class Use {
  held = 0;
}

/** What one part of a tenant holds. */
export class PartUse extends Use {
  readonly tenant: Use;
  constructor(tenant: Use) {
    super();
    this.tenant = tenant;
  }
}

export interface FairShare {
  /** The part of a tenant by which it is counted; the same object again while it is remembered. */
  partOf(tenantId: string, part: string): PartUse;
  /** Takes so much; a problem: it is not to be had, and nothing was taken. */
  take(part: PartUse, amount?: number): Problem | undefined;
  give(part: PartUse, amount?: number): void;
  /** True where more than half is taken of what the part, its tenant or all together may hold. */
  isCrowded(part: PartUse): boolean;
}

export interface FairShareOptions {
  readonly inAll: number;
  /** How a problem names what is held, and the part of a tenant that holds it. */
  readonly what: string;
  readonly part: string;
  /** The most that a single request takes: a part may hold it, and so may all together, whatever their shares are. */
  readonly least?: number;
  /** In place of a tenant: whose parts are counted together. */
  readonly whole?: string;
  /** What all others hold refuses nobody: `inAll` only says how much a share is. */
  readonly isOpen?: boolean;
}

const tenantsShare = 4;
const partsShare = 8;
/** More tenants and parts than a gateway has; one that is forgotten is counted anew. */
const remembered = 100_000;
/** Most requests end within this time; the others wait for an instance that does not answer. */
const retryAfterSeconds = 2;

export function createFairShare({
  inAll: given,
  isOpen = false,
  least = 1,
  part: partName,
  what,
  whole = 'tenant',
}: FairShareOptions): FairShare {
  const all = new Use();
  const inAll = Math.max(least, given);
  const ofTenant = Math.max(least, Math.floor(inAll / tenantsShare));
  const ofPart = Math.max(least, Math.floor(inAll / partsShare));
  const tenants = createBoundedCache<string, Use>(remembered);
  const parts = createBoundedCache<string, PartUse>(remembered);
  const limited = (whose: string): Problem =>
    problem('rate-limited', `Too many ${what} of this ${whose} are under way.`, { retryAfterSeconds });
  const [tooManyOfPart, tooManyOfTenant] = [limited(partName), limited(whole)];
  const tooManyInAll = problem('overloaded', `Too many ${what} are under way.`, { retryAfterSeconds });

  const tenantOf = (tenantId: string): Use => {
    let use = tenants.get(tenantId);
    if (use === undefined) {
      use = new Use();
      tenants.set(tenantId, use);
    }
    return use;
  };
  return {
    partOf: (tenantId, name) => {
      const key = `${tenantId}/${name}`;
      let use = parts.get(key);
      if (use === undefined) {
        use = new PartUse(tenantOf(tenantId));
        parts.set(key, use);
      }
      return use;
    },
    take: (part, amount = 1) => {
      if (part.held + amount > ofPart) return tooManyOfPart;
      if (part.tenant.held + amount > ofTenant) return tooManyOfTenant;
      if (!isOpen && all.held + amount > inAll) return tooManyInAll;
      part.held += amount;
      part.tenant.held += amount;
      all.held += amount;
      return undefined;
    },
    isCrowded: (part) =>
      part.held > ofPart / 2 || part.tenant.held > ofTenant / 2 || (!isOpen && all.held > inAll / 2),
    give: (part, amount = 1) => {
      part.held -= amount;
      part.tenant.held -= amount;
      all.held -= amount;
    },
  };
}
