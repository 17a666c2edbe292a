/**
 * Tells what it takes to make a gateway as the files say: no clock, no input or output, nothing but the comparison. The order of
 * operations is that of docs/declarative.md.
 */

import { z } from 'zod';
import { tenantFields } from './api-fields.ts';
import { diffClient } from './diff-client.ts';
import { diffInstances, type InstancesDiff } from './diff-instances.ts';
import { diffKeys } from './diff-keys.ts';
import { diffLanding, type LandingDiff } from './diff-landing.ts';
import { diffOperators } from './diff-operators.ts';
import type { ConnectionType, Declared, DeclaredTenant, Present, PresentTenant } from './model.ts';
import { identityOf } from './names.ts';
import type { FieldChange, Operation, Plan, Refusal, SecretUse, TenantFields, TenantPlan } from './plan.ts';
import { sameNames } from './same-value.ts';

export interface DiffOptions {
  /** Removes what the files do not name. Without it nothing is ever deleted. */
  readonly prune: boolean;
  /** Touches only tenants that have this tag, and gives it to new ones. */
  readonly selectTag?: string | undefined;
  /** Sends every `clientSecret` again; without it one that was sent is taken for unchanged. */
  readonly updateSecrets: boolean;
  readonly nowMs: number;
}

/** Those that are sent as they are where they differ. */
const plainFields = z
  .object(tenantFields)
  .omit({ application: true, cloud: true, connectionType: true, landing: true, mode: true, tenantId: true })
  .keyof().options;

const subjectOf = ({ tenantId }: DeclaredTenant): string => `tenant ${tenantId}`;

/** Refuses changes that no update of a field can make. */
function refuseFixed(declared: DeclaredTenant, present: PresentTenant): Refusal[] {
  const { place, tenantId } = declared;
  const refuse = (field: 'cloud' | 'connectionType' | 'mode', remedy: string): Refusal[] =>
    declared[field] === undefined || identityOf(declared[field]) === identityOf(present[field])
      ? []
      : [
          {
            place,
            subject: subjectOf(declared),
            problem: `${field} is ${present[field]} and cannot be changed to ${declared[field]} like a field`,
            remedy,
          },
        ];
  const migrate = (field: 'connectionType' | 'mode', option: string): string =>
    'this takes a migration, with steps in Intune and Jamf Pro: ' +
    `"espalier tenants migrate ${tenantId} ${option} ${declared[field]}" plans it (docs/connection.md); apply again when it is done`;
  return [
    ...refuse('cloud', "a tenant's cloud is set when it is added: delete the tenant and apply again"),
    ...refuse('mode', migrate('mode', '--mode')),
    ...refuse('connectionType', migrate('connectionType', '--connection-type')),
  ];
}

function refuseIncomplete(declared: DeclaredTenant, present: PresentTenant | undefined): Refusal[] {
  if (present !== undefined) return [];
  const refuse = (problem: string, remedy: string): Refusal[] => [
    { place: declared.place, subject: subjectOf(declared), problem, remedy },
  ];
  const isManual = declared.connectionType === 'manual';
  return [
    ...(declared.displayName === undefined
      ? refuse('a new tenant needs a displayName', 'add displayName')
      : []),
    ...(isManual && declared.application === undefined
      ? refuse('a new tenant of the type manual needs its own application', 'add application')
      : []),
    ...(!isManual && declared.application !== undefined
      ? refuse(
          'application is for the connection type manual only',
          'remove it, or give connectionType: manual',
        )
      : []),
  ];
}

/** The manual type has one enabled instance (domain/jamf.md 4.3), and the API makes every new one enabled. */
function refuseSecondManual(
  declared: DeclaredTenant,
  type: ConnectionType,
  present: PresentTenant | undefined,
  { kept, matches }: InstancesDiff,
): Refusal[] {
  if (type !== 'manual') return [];
  const stay = matches.filter(
    ({ declared: { enabled }, present: there }) => there?.enabled && enabled !== false,
  ).length;
  const left = stay + kept.filter(({ enabled }) => enabled).length;
  const made = matches.filter(({ present: there }) => there === undefined);
  const comeEnabled = matches.filter(
    ({ declared: { enabled }, present: there }) =>
      (there === undefined && enabled !== false) || (there?.enabled === false && enabled === true),
  ).length;
  if (left + comeEnabled <= 1 && left + made.length <= 1) return [];
  return [
    {
      place: declared.place,
      subject: subjectOf(declared),
      problem: 'a manual connection has one enabled instance',
      remedy:
        present === undefined
          ? 'leave one instance, or give connectionType: cloud-connector'
          : 'set enabled: false on the one that is to go, or migrate to the Cloud Connector',
    },
  ];
}

interface FieldsDiff {
  readonly fields: readonly FieldChange[];
  readonly send: TenantFields;
  readonly refusals: readonly Refusal[];
}

function compareFields(
  declared: DeclaredTenant,
  present: PresentTenant | undefined,
  updateSecrets: boolean,
): FieldsDiff {
  const client = diffClient('application', declared.application, present?.application ?? null, {
    again: updateSecrets,
    moved: false,
  });
  const plain = plainFields.flatMap((field): FieldChange[] => {
    const after = declared[field];
    if (after === undefined || sameNames(after, present?.[field] ?? null)) return [];
    return [{ field, ...(present === undefined ? {} : { before: present[field] }), after }];
  });
  return {
    fields: [...plain, ...client.fields],
    send: {
      ...Object.fromEntries(plain.map(({ after, field }) => [field, after])),
      ...(client.send === undefined ? {} : { application: client.send }),
    },
    refusals: client.needsSecret
      ? [
          {
            place: declared.place,
            subject: subjectOf(declared),
            problem: 'this application needs its secret',
            remedy: 'give application with clientSecret: env:NAME or file:PATH, or with secretRef',
          },
        ]
      : [],
  };
}

function createTenant(declared: DeclaredTenant, { send }: FieldsDiff, { initial }: LandingDiff): Operation {
  const { cloud, connectionType, displayName = '', mode } = declared;
  return {
    kind: 'create-tenant',
    tenant: {
      ...send,
      displayName,
      ...(cloud === undefined ? {} : { cloud }),
      ...(mode === undefined ? {} : { mode }),
      ...(connectionType === undefined ? {} : { connectionType }),
      landing: initial,
    },
  };
}

/** The order of docs/declarative.md. */
function orderOperations(
  declared: DeclaredTenant,
  present: PresentTenant | undefined,
  type: ConnectionType,
  found: { fields: FieldsDiff; instances: InstancesDiff; landing: LandingDiff },
): Operation[] {
  const { changes, creations, deletions, disables, enables, pauses, resumes } = found.instances.operations;
  const isNew = present === undefined;
  const pauses_ = declared.paused === true && !present?.paused;
  const resumes_ = declared.paused === false && present?.paused === true;
  // A manual tenant has room for one enabled instance: who goes makes room first. Elsewhere the tenant should not be
  // without one at any time, for with the last one Espalier tells Intune that the connection ends.
  const comes = creations.length + enables.length > 0;
  const goes: Operation[] = found.instances.removed
    .filter(({ enabled }) => type === 'manual' && comes && enabled)
    .map(({ id, name }) => ({ kind: 'disable-instance', name, key: { id } }));
  return [
    ...(isNew ? [createTenant(declared, found.fields, found.landing)] : []),
    ...(pauses_ ? [{ kind: 'pause-tenant' } as const] : []),
    ...(!isNew && Object.keys(found.fields.send).length > 0
      ? [{ kind: 'change-tenant', fields: found.fields.send } as const]
      : []),
    ...pauses,
    ...(type === 'manual' ? [...disables, ...goes] : []),
    ...changes,
    ...creations,
    ...enables,
    ...(found.landing.operation === undefined ? [] : [found.landing.operation]),
    ...(type === 'manual' ? [] : disables),
    ...resumes,
    ...deletions,
    ...(resumes_ ? [{ kind: 'resume-tenant' } as const] : []),
  ];
}

const lastInstanceGoes =
  'its last enabled instance goes: Intune is told that the connection ends; confirm the tenant again when another one is there';

function warnings(
  present: PresentTenant | undefined,
  type: ConnectionType,
  { kept, matches }: InstancesDiff,
): string[] {
  if (!present?.instances.some(({ enabled }) => enabled)) return [];
  const stays = (match: InstancesDiff['matches'][number]): boolean =>
    match.present?.enabled === true && match.declared.enabled !== false;
  const comes = (match: InstancesDiff['matches'][number]): boolean =>
    type !== 'manual' &&
    match.declared.enabled !== false &&
    (match.present === undefined || match.declared.enabled === true);
  const one = kept.some(({ enabled }) => enabled) || matches.some((match) => stays(match) || comes(match));
  return one ? [] : [lastInstanceGoes];
}

function newTenantFields({ cloud, connectionType, mode }: DeclaredTenant): FieldChange[] {
  const given = Object.entries({ cloud, mode, connectionType });
  return given.flatMap(([field, after]) => (after === undefined ? [] : [{ field, after }]));
}

function diffTenant(
  declared: DeclaredTenant,
  present: PresentTenant | undefined,
  options: DiffOptions,
): { plan: TenantPlan; secrets: SecretUse[]; refusals: Refusal[] } {
  const instances = diffInstances(declared, present, options);
  const landing = diffLanding(declared, present, instances);
  const fields = compareFields(declared, present, options.updateSecrets);
  const secret = fields.send.application?.secret;
  const type = present?.connectionType ?? declared.connectionType ?? 'cloud-connector';
  const isPausedNow = present?.paused ?? false;
  const pausing: FieldChange[] =
    declared.paused === undefined || declared.paused === isPausedNow
      ? []
      : [
          {
            field: 'paused',
            ...(present === undefined ? {} : { before: isPausedNow }),
            after: declared.paused,
          },
        ];
  const all = [
    ...(present === undefined ? newTenantFields(declared) : []),
    ...fields.fields,
    ...landing.fields,
    ...pausing,
  ];
  return {
    plan: {
      action: present === undefined ? 'create' : all.length > 0 ? 'change' : 'none',
      tenantId: declared.tenantId,
      displayName: declared.displayName ?? present?.displayName ?? '',
      fields: all,
      instances: instances.plans,
      operations: orderOperations(declared, present, type, { fields, instances, landing }),
      warnings: warnings(present, type, instances),
    },
    secrets: [
      ...(secret === undefined ? [] : [{ place: declared.place, subject: subjectOf(declared), secret }]),
      ...instances.secrets,
    ],
    refusals: [
      ...(present === undefined ? [] : refuseFixed(declared, present)),
      ...refuseIncomplete(declared, present),
      ...fields.refusals,
      ...instances.refusals,
      ...refuseSecondManual(declared, type, present, instances),
      ...landing.refusals,
    ],
  };
}

/** A tenant's resources go with it: the API removes its instances and routes and tells Intune. */
const removeTenant = ({ displayName, tenantId }: PresentTenant): TenantPlan => ({
  action: 'delete',
  tenantId,
  displayName,
  fields: [],
  instances: [],
  operations: [{ kind: 'delete-tenant' }],
  warnings: [],
});

/** A tenant without the tag may be another team's, with the files of another run behind it. */
function refuseUntagged(
  { place, tenantId }: DeclaredTenant,
  present: PresentTenant | undefined,
  selectTag: string | undefined,
): Refusal[] {
  if (selectTag === undefined || present === undefined || present.tags.includes(selectTag)) return [];
  const tags = [...present.tags, selectTag].join(',');
  return [
    {
      place,
      subject: `tenant ${tenantId}`,
      problem: `it does not have the tag ${selectTag}, so it may be another team's`,
      remedy: `if it is yours, "espalier tenants change ${tenantId} --tags ${tags}" gives it the tag; apply again`,
    },
  ];
}

/** With `--select-tag` every tenant that is made or kept gets the tag, also where its file does not name it. */
const withTag = (
  tenant: DeclaredTenant,
  present: PresentTenant | undefined,
  tag: string,
): DeclaredTenant => ({
  ...tenant,
  tags: [...new Set([...(tenant.tags ?? present?.tags ?? []), tag])].sort(),
});

export function diff(declared: Declared, present: Present, options: DiffOptions): Plan {
  const there = new Map(present.tenants.map((tenant) => [tenant.tenantId, tenant]));
  const { selectTag } = options;
  const compared = declared.tenants.map((tenant) => {
    const before = there.get(tenant.tenantId);
    return diffTenant(selectTag === undefined ? tenant : withTag(tenant, before, selectTag), before, options);
  });
  const untagged = declared.tenants.flatMap((tenant) =>
    refuseUntagged(tenant, there.get(tenant.tenantId), selectTag),
  );
  const named = new Set(declared.tenants.map(({ tenantId }) => tenantId));
  const isSelected = ({ tags }: PresentTenant): boolean =>
    selectTag === undefined || tags.includes(selectTag);
  const removed = options.prune
    ? present.tenants.filter((tenant) => !named.has(tenant.tenantId) && isSelected(tenant))
    : [];
  const keys = diffKeys(declared.keys, present.keys, options.nowMs);
  return {
    tenants: [...compared.map(({ plan }) => plan), ...removed.map(removeTenant)],
    keys: keys.plans,
    operators: diffOperators(declared.operators ?? [], present.operators ?? []),
    secrets: compared.flatMap(({ secrets }) => secrets),
    refusals: [...untagged, ...compared.flatMap(({ refusals }) => refusals), ...keys.refusals],
  };
}
