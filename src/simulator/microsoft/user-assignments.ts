import type { SimulatedServicePrincipal } from '../directory.ts';

/** The people who are assigned to an application in a tenant ("Users and groups"), beside the directory's record of it. */
interface Assignments {
  /** "Assignment required?" among the properties of the enterprise application. */
  required: boolean;
  /** App roles by user id; empty is the default access, which is an assignment and no role. */
  readonly byUser: Map<string, readonly string[]>;
}

/** Assignments are kept by the record itself, so that a deleted and re-created service principal starts anew. */
const known = new WeakMap<SimulatedServicePrincipal, Assignments>();

export function assignmentsOf(principal: SimulatedServicePrincipal): Assignments {
  const found = known.get(principal);
  if (found) return found;
  const made: Assignments = { required: false, byUser: new Map() };
  known.set(principal, made);
  return made;
}
