/**
 * The address at which a tenant that has left lives now, and the date until which this deployment passes on what comes for
 * it (forwarding/relay.ts does that; docs/cells.md). Whoever could set it would be sent credentials, so an admin of all
 * tenants alone does.
 */

import { ProblemError, problem } from '../../problems.ts';
import type { Sql } from '../../store/database.ts';
import { type HistoryOrigin, recorded } from '../../store/history.ts';
import { type Placement, type Relay, readPlacement, relayOf, writeRelay } from '../../store/placements.ts';
import { raiseVersion } from '../../store/tenants/settings.ts';
import { lockTenant } from '../../store/tenants/tenant.ts';

const conflict = (detail: string): ProblemError => new ProblemError(problem('conflict', detail));

/** Throws `conflict` for a tenant that cannot be at another deployment yet. */
export function checkHasLeft(placement: Placement | undefined): asserts placement is Placement {
  if (!placement || placement.fencedAt === null)
    throw conflict('The tenant lives here: move it to the other deployment first.');
  if (placement.sealedAt === null)
    throw conflict('No file of the tenant was made yet, so no other deployment has it.');
}

const isSame = (one: Relay | undefined, other: Relay | undefined): boolean =>
  one?.to === other?.to && one?.until === other?.until;

/**
 * Sets the relay, or ends it where that is undefined; the same again changes nothing, which is the answer false. Throws
 * `conflict` for a tenant that has not left.
 */
export const setRelay = (
  sql: Sql,
  tenantId: string,
  relay: Relay | undefined,
  by: HistoryOrigin,
): Promise<boolean> =>
  recorded(sql, by, async (tx, note) => {
    const tenant = await lockTenant(tx, tenantId);
    const placement = await readPlacement(tx, tenantId);
    const before = placement && relayOf(placement);
    if (!tenant || isSame(before, relay)) return false;
    checkHasLeft(placement);
    await writeRelay(tx, tenantId, relay);
    // All processes read the tenant anew, and with it where it lives.
    await raiseVersion(tx, tenantId);
    note({
      // The chain of a tenant that has left goes on where it lives.
      tenantId: undefined,
      action: relay === undefined ? 'tenant.relay-cancel' : 'tenant.relay',
      object: { kind: 'tenant', id: tenantId, name: tenant.displayName },
      ...(before === undefined ? {} : { before }),
      ...(relay === undefined ? {} : { after: relay }),
    });
    return true;
  });

/** Throws `conflict` while what comes for the tenant is passed on. */
export function checkNotRelayed(placement: Placement): void {
  const relay = relayOf(placement);
  if (relay === undefined || Date.now() >= Date.parse(relay.until)) return;
  throw conflict(
    `What comes for the tenant is passed on to ${relay.to} until ${relay.until}: wait, end the relay, or use force.`,
  );
}
