import type { SimulatedServicePrincipal } from '../directory.ts';

/** State of a service principal that only the Microsoft doubles need, beside the directory's record. */
interface PrincipalState {
  disabledByMicrosoftStatus: string | null;
  /** Time since which Graph lists and honours a role, by resource and role id; milliseconds. */
  readonly rolesInGraphAt: Map<string, number>;
  /** The same for the delegated grants. */
  grantsInGraphAt: number;
}

/** States are kept by the record itself, so that a deleted and re-created service principal starts anew. */
const states = new WeakMap<SimulatedServicePrincipal, PrincipalState>();

function stateOf(principal: SimulatedServicePrincipal): PrincipalState {
  const known = states.get(principal);
  if (known) return known;
  const made = { disabledByMicrosoftStatus: null, rolesInGraphAt: new Map(), grantsInGraphAt: 0 };
  states.set(principal, made);
  return made;
}

type HeldRole = SimulatedServicePrincipal['appRoles'][number];

const roleKey = (role: Pick<HeldRole, 'resourceAppId' | 'roleId'>): string =>
  `${role.resourceAppId} ${role.roleId}`.toLowerCase();

/** `DisabledDueToViolationOfServicesAgreement` and the like; null: Microsoft has nothing against it. */
export const disabledByMicrosoft = (principal: SimulatedServicePrincipal): string | null =>
  stateOf(principal).disabledByMicrosoftStatus;

export function disableByMicrosoft(principal: SimulatedServicePrincipal, status: string | null): void {
  stateOf(principal).disabledByMicrosoftStatus = status;
}

/** Sets when Graph begins to know the role, milliseconds by the world's clock. */
export function setRoleInGraph(
  principal: SimulatedServicePrincipal,
  role: Pick<HeldRole, 'resourceAppId' | 'roleId'>,
  at: number,
): void {
  stateOf(principal).rolesInGraphAt.set(roleKey(role), at);
}

/** Graph knows a role no earlier than tokens carry it, unless it was told another time. */
export const roleInGraph = (principal: SimulatedServicePrincipal, role: HeldRole, nowMs: number): boolean =>
  (stateOf(principal).rolesInGraphAt.get(roleKey(role)) ?? role.effectiveAt) <= nowMs;

export function setGrantsInGraph(principal: SimulatedServicePrincipal, at: number): void {
  stateOf(principal).grantsInGraphAt = at;
}

export const grantsInGraph = (principal: SimulatedServicePrincipal, nowMs: number): boolean =>
  stateOf(principal).grantsInGraphAt <= nowMs;
