/** Compares where a tenant's browsers land. The default instance is named, not given by id: ids are the gateway's. */

import type { InstancesDiff } from './diff-instances.ts';
import type { DeclaredLanding, DeclaredTenant, PresentTenant } from './model.ts';
import { findNamed } from './names.ts';
import type { FieldChange, InstanceKey, Operation, Refusal } from './plan.ts';

export interface LandingDiff {
  readonly fields: readonly FieldChange[];
  /** Operation to be done when the instances are there, and before any of them goes. */
  readonly operation: Operation | undefined;
  /** Landing of a new tenant until then. */
  readonly initial: { readonly choice: DeclaredLanding['choice']; readonly customUrl?: string | undefined };
  readonly refusals: readonly Refusal[];
}

/** The instance of this name, as it will be called. */
function findInstance(name: string, { kept, matches }: InstancesDiff): InstanceKey | undefined {
  const [match] = findNamed(matches, name);
  if (match) return match.present === undefined ? { made: match.name } : { id: match.present.id };
  const [other] = findNamed(kept, name);
  return other && { id: other.id };
}

/** The file's value; default: the present one, except for a default instance that goes. */
function wantedLanding(
  tenant: DeclaredTenant,
  present: PresentTenant | undefined,
  { matches, kept, removed }: InstancesDiff,
): DeclaredLanding {
  if (tenant.landing !== undefined) return tenant.landing;
  if (present === undefined) return { choice: 'default' };
  const { choice, customUrl, defaultInstanceId } = present.landing;
  if (defaultInstanceId === undefined) return { choice, customUrl };
  const stays = !removed.some(({ id }) => id === defaultInstanceId);
  const match = matches.find((one) => one.present?.id === defaultInstanceId);
  const defaultInstance = match?.name ?? kept.find(({ id }) => id === defaultInstanceId)?.name;
  return { choice, customUrl, ...(stays ? { defaultInstance } : {}) };
}

/** An instance that is gone is no default any more, although the row still names it. */
const presentDefault = (present: PresentTenant | undefined) =>
  present?.instances.find(({ id }) => id === present.landing.defaultInstanceId);

export function diffLanding(
  tenant: DeclaredTenant,
  present: PresentTenant | undefined,
  instances: InstancesDiff,
): LandingDiff {
  const wanted = wantedLanding(tenant, present, instances);
  const { choice, customUrl, defaultInstance } = wanted;
  const initial = { choice, ...(customUrl === undefined ? {} : { customUrl }) };
  const target = defaultInstance === undefined ? undefined : findInstance(defaultInstance, instances);
  const refusals: Refusal[] = [];
  if (defaultInstance !== undefined && target === undefined) {
    refusals.push({
      place: tenant.place,
      subject: `tenant ${tenant.tenantId}`,
      problem: `landing.defaultInstance: the tenant will have no instance ${defaultInstance}`,
      remedy: 'name one of its instances, as it is called in the file',
    });
  }
  const before = present && { ...present.landing, defaultInstance: presentDefault(present) };
  const isDefault =
    target === undefined
      ? before?.defaultInstance === undefined
      : 'id' in target && target.id === before?.defaultInstance?.id;
  const change = (field: string, was: unknown, after: unknown): FieldChange[] => [
    {
      field: `landing.${field}`,
      ...(present === undefined ? {} : { before: was ?? null }),
      after: after ?? null,
    },
  ];
  const was = before ?? { choice: 'default' as const, customUrl: undefined, defaultInstance: undefined };
  const fields = [
    ...(was.choice === choice ? [] : change('choice', was.choice, choice)),
    ...(was.customUrl === customUrl ? [] : change('customUrl', was.customUrl, customUrl)),
    ...(isDefault ? [] : change('defaultInstance', was.defaultInstance?.name, defaultInstance)),
  ];
  const isSetAlready = present === undefined ? isDefault : fields.length === 0;
  return {
    fields,
    initial,
    refusals,
    operation: isSetAlready ? undefined : { kind: 'set-landing', landing: initial, defaultInstance: target },
  };
}
