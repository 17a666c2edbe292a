/** Compares operators' keys. A key is made once and never changed or removed here: somebody holds it. */

import type { DeclaredKey, PresentKey } from './model.ts';
import { findNamed } from './names.ts';
import type { KeyPlan, Refusal } from './plan.ts';

const sameTenants = (a: readonly string[] | null, b: readonly string[] | null): boolean =>
  a === null || b === null ? a === b : [...a].sort().join() === [...b].sort().join();

const fits = (declared: DeclaredKey, present: PresentKey): boolean =>
  present.role === declared.role &&
  sameTenants(present.tenants, declared.tenants ?? null) &&
  (declared.expiresAt === undefined ||
    (present.expiresAt !== null && Date.parse(present.expiresAt) === Date.parse(declared.expiresAt)));

/** `nowMs`: a key whose time is over is not made. */
export function diffKeys(
  declared: readonly DeclaredKey[],
  present: readonly PresentKey[],
  nowMs: number,
): { readonly plans: readonly KeyPlan[]; readonly refusals: readonly Refusal[] } {
  const refusals: Refusal[] = [];
  const plans = declared.map((key): KeyPlan => {
    if (key.expiresAt !== undefined && Date.parse(key.expiresAt) <= nowMs)
      return { action: 'none', key, note: `not made: it would have expired at ${key.expiresAt}` };
    const namesakes = findNamed(present, key.name);
    if (namesakes.length === 0) return { action: 'create', key };
    if (!namesakes.some((one) => fits(key, one))) {
      refusals.push({
        place: key.place,
        subject: `key ${key.name}`,
        problem: 'there is a key of this name with another role, other tenants or another expiry',
        remedy: `a key cannot be changed: revoke it ("espalier keys revoke ${namesakes[0]?.id ?? ''}") and apply again, or choose another name`,
      });
    }
    return { action: 'none', key };
  });
  return { plans, refusals };
}
