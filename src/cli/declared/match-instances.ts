/** Matches declared instances with those that are there: by id where one is given, else by name. */

import type { DeclaredInstance, DeclaredTenant, PresentInstance, PresentTenant } from './model.ts';
import { cleanName, findNamed, identityOf, spellingOf } from './names.ts';
import type { Refusal } from './plan.ts';

export interface Match {
  readonly declared: DeclaredInstance;
  /** undefined: it is to be made. */
  readonly present: PresentInstance | undefined;
  /** The name it has afterwards. */
  readonly name: string;
}

export interface Matches {
  readonly matches: readonly Match[];
  /** The tenant's instances that no declared one matches. */
  readonly others: readonly PresentInstance[];
  readonly refusals: readonly Refusal[];
}

const subjectOf = (tenant: DeclaredTenant, { id, name }: DeclaredInstance): string =>
  `instance ${name ?? id ?? ''} of tenant ${tenant.tenantId}`;

/** Another way of writing what is there already is no other name. */
const wantedName = (name: string | undefined, { name: there }: PresentInstance): string =>
  name === undefined || spellingOf(name) === spellingOf(there) ? there : cleanName(name);

const refuseAmbiguous = (tenant: DeclaredTenant, instance: DeclaredInstance, name: string): Refusal => ({
  place: instance.place,
  subject: subjectOf(tenant, instance),
  problem: `the tenant has several instances whose names look like ${name}`,
  remedy: 'give the id of the one that is meant ("espalier export --ids" has them)',
});

export function matchInstances(tenant: DeclaredTenant, present: PresentTenant | undefined): Matches {
  const there = present?.instances ?? [];
  const declared = tenant.instances ?? [];
  const byId = new Map(there.map((instance) => [instance.id, instance]));
  const claimed = new Set(declared.flatMap(({ id }) => (id === undefined ? [] : [id])));
  // A name counts only for what no id has claimed: its bearer may be about to get another one.
  const unclaimed = there.filter(({ id }) => !claimed.has(id));
  const refusals: Refusal[] = [];
  const matches = declared.flatMap((instance): Match[] => {
    const { id, name, place } = instance;
    if (id === undefined) {
      if (name === undefined) return [];
      const [bearer, twin] = findNamed(unclaimed, name);
      if (twin !== undefined) refusals.push(refuseAmbiguous(tenant, instance, name));
      // A name only finds: to write it otherwise, the file gives the id.
      return [{ declared: instance, present: bearer, name: bearer?.name ?? name }];
    }
    const found = byId.get(id);
    if (found) return [{ declared: instance, present: found, name: wantedName(name, found) }];
    refusals.push({
      place,
      subject: subjectOf(tenant, instance),
      problem: `the tenant has no instance with the id ${id}`,
      remedy: 'leave the id out to make a new instance; ids are given by the gateway',
    });
    return [];
  });
  const taken = new Set(matches.flatMap(({ present: found }) => (found ? [found.id] : [])));
  const others = there.filter(({ id }) => !taken.has(id));
  refusals.push(...refuseTakenNames(tenant, matches, others));
  return { matches, others, refusals };
}

/** Names have one bearer each, also those that only an id leads to. */
function refuseTakenNames(
  tenant: DeclaredTenant,
  matches: readonly Match[],
  others: readonly PresentInstance[],
): Refusal[] {
  return matches.flatMap(({ declared, name, present }, index) => {
    const isSame = (one: { readonly name: string }): boolean => identityOf(one.name) === identityOf(name);
    const twin = matches.findIndex(isSame);
    // Those that look alike and are there both already are left alone.
    const other = present?.name === name ? undefined : others.find(isSame);
    if (twin >= index && other === undefined) return [];
    return [
      {
        place: declared.place,
        subject: subjectOf(tenant, declared),
        problem: `the name ${name} is that of ${other === undefined ? 'another instance of the file' : `the instance ${other.id}`}`,
        remedy: 'give it a name of its own, or rename or remove the other one first',
      },
    ];
  });
}

/**
 * Changes of names in an order in which no name has two bearers at any time; undefined where they go round in a
 * circle.
 */
export function orderRenames(matches: readonly Match[]): readonly Match[] | undefined {
  const left = [...matches];
  const ordered: Match[] = [];
  while (left.length > 0) {
    const index = left.findIndex(
      (match) => !left.some((other) => other !== match && other.present?.name === match.name),
    );
    const [next] = index < 0 ? [] : left.splice(index, 1);
    if (next === undefined) return undefined;
    ordered.push(next);
  }
  return ordered;
}
