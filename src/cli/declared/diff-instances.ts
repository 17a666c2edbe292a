/** Compares a tenant's instances. */

import { z } from 'zod';
import { instanceFields } from './api-fields.ts';
import { diffClient } from './diff-client.ts';
import { type Match, matchInstances, orderRenames } from './match-instances.ts';
import type { DeclaredTenant, PresentInstance, PresentTenant } from './model.ts';
import type {
  FieldChange,
  InstanceFields,
  InstanceKey,
  InstancePlan,
  NewInstance,
  Operation,
  Refusal,
  SecretUse,
} from './plan.ts';
import { sameNames, sameValue } from './same-value.ts';

export interface InstanceOperations {
  readonly pauses: readonly Operation[];
  /** Names in an order in which no two instances ever have the same one. */
  readonly changes: readonly Operation[];
  readonly creations: readonly Operation[];
  readonly enables: readonly Operation[];
  readonly disables: readonly Operation[];
  readonly resumes: readonly Operation[];
  readonly deletions: readonly Operation[];
}

export interface InstancesDiff {
  readonly plans: readonly InstancePlan[];
  readonly operations: InstanceOperations;
  readonly secrets: readonly SecretUse[];
  readonly refusals: readonly Refusal[];
  readonly matches: readonly Match[];
  /** Instances that are there, that the files do not name, and that stay. */
  readonly kept: readonly PresentInstance[];
  readonly removed: readonly PresentInstance[];
}

interface Compared {
  readonly fields: readonly FieldChange[];
  readonly send: InstanceFields;
  readonly refusals: readonly Refusal[];
}

const originOf = (url: string): string => new URL(url).origin;

/** Those that are sent as they are where they differ. */
const plainFields = z
  .object(instanceFields)
  .omit({ apiClient: true, enabled: true, name: true })
  .keyof().options;

const isSame = (field: (typeof plainFields)[number], a: unknown, b: unknown): boolean =>
  field === 'compliance' ? sameNames(a, b) : sameValue(a, b);

const subjectOf = ({ tenantId }: DeclaredTenant, name: string): string =>
  `instance ${name} of tenant ${tenantId}`;

/** `present` undefined: the instance is to be made. */
function compareInstance(
  tenant: DeclaredTenant,
  { declared, name, present }: Match,
  updateSecrets: boolean,
): Compared {
  const subject = subjectOf(tenant, name);
  const moved =
    present !== undefined && declared.url !== undefined && originOf(declared.url) !== originOf(present.url);
  const client = diffClient('apiClient', declared.apiClient, present?.apiClient ?? null, {
    again: updateSecrets,
    moved,
  });
  const plain = plainFields.flatMap((field): FieldChange[] => {
    const after = declared[field];
    if (after === undefined || isSame(field, after, present?.[field] ?? null)) return [];
    return [{ field, ...(present === undefined ? {} : { before: present[field] }), after }];
  });
  const renamed = present !== undefined && present.name !== name;
  const refusals: Refusal[] = [];
  const refuse = (problem: string, remedy: string): void => {
    refusals.push({ place: declared.place, subject, problem, remedy });
  };
  const missing = [
    ...(declared.url === undefined ? ['url'] : []),
    ...(declared.apiClient === undefined ? ['apiClient'] : []),
  ];
  if (present === undefined && missing.length > 0) {
    refuse(`a new instance needs ${missing.join(' and ')}`, 'add what is missing');
  } else if (client.needsSecret) {
    const why =
      present === undefined
        ? 'a new instance needs the secret of its API client'
        : moved
          ? "the URL's origin changes, and the gateway sends no secret to a new place unasked"
          : 'another API client has another secret';
    refuse(
      why,
      'give apiClient with clientSecret: env:NAME or file:PATH (read here and sent), or with secretRef (read by the gateway)',
    );
  }
  return {
    fields: [
      ...(renamed ? [{ field: 'name', before: present.name, after: name }] : []),
      ...plain,
      ...client.fields,
    ],
    send: {
      ...(renamed ? { name } : {}),
      ...Object.fromEntries(plain.map(({ after, field }) => [field, after])),
      ...(client.send === undefined ? {} : { apiClient: client.send }),
    },
    refusals,
  };
}

const isComplete = (fields: InstanceFields): fields is NewInstance =>
  fields.name !== undefined && fields.url !== undefined && fields.apiClient !== undefined;

const flagChange = (
  field: 'enabled' | 'paused',
  wanted: boolean | undefined,
  now: boolean | undefined,
): FieldChange[] =>
  wanted === undefined || wanted === (now ?? field === 'enabled')
    ? []
    : [{ field, ...(now === undefined ? {} : { before: now }), after: wanted }];

type Lists = { -readonly [Name in keyof InstanceOperations]: Operation[] };

function addCreation(lists: Lists, match: Match, fields: InstanceFields): void {
  const { declared, name } = match;
  const complete = { ...fields, name };
  if (!isComplete(complete)) return;
  const key: InstanceKey = { made: name };
  lists.creations.push({ kind: 'create-instance', name, instance: complete });
  // The API makes every instance enabled and not paused.
  if (declared.enabled === false) lists.creations.push({ kind: 'disable-instance', name, key });
  if (declared.paused === true) lists.creations.push({ kind: 'pause-instance', name, key });
}

function addChange(lists: Lists, present: PresentInstance, match: Match, fields: InstanceFields): void {
  const { declared, name } = match;
  const key: InstanceKey = { id: present.id };
  if (declared.paused === true && !present.paused) lists.pauses.push({ kind: 'pause-instance', name, key });
  if (Object.keys(fields).length > 0) lists.changes.push({ kind: 'change-instance', name, key, fields });
  if (declared.enabled === true && !present.enabled)
    lists.enables.push({ kind: 'enable-instance', name, key });
  if (declared.enabled === false && present.enabled)
    lists.disables.push({ kind: 'disable-instance', name, key });
  if (declared.paused === false && present.paused) lists.resumes.push({ kind: 'resume-instance', name, key });
}

export interface InstancesDiffOptions {
  readonly prune: boolean;
  readonly updateSecrets: boolean;
}

export function diffInstances(
  tenant: DeclaredTenant,
  present: PresentTenant | undefined,
  { prune, updateSecrets }: InstancesDiffOptions,
): InstancesDiff {
  const { matches, others, refusals: unmatched } = matchInstances(tenant, present);
  const refusals = [...unmatched];
  const ordered = orderRenames(matches);
  if (ordered === undefined) {
    refusals.push({
      place: tenant.place,
      subject: `tenant ${tenant.tenantId}`,
      problem: 'its instances exchange their names among each other',
      remedy: 'give one of them a third name first, apply, then the names that are wanted',
    });
  }
  // A file that says nothing of a tenant's instances removes none of them.
  const removed = prune && tenant.instances !== undefined ? others : [];
  const lists: Lists = {
    ...{ pauses: [], changes: [], creations: [], enables: [], disables: [], resumes: [], deletions: [] },
  };
  const secrets: SecretUse[] = [];
  const plans = new Map<Match, InstancePlan>();
  for (const match of ordered ?? matches) {
    const { declared, name, present: there } = match;
    const compared = compareInstance(tenant, match, updateSecrets);
    refusals.push(...compared.refusals);
    const secret = compared.send.apiClient?.secret;
    if (secret !== undefined)
      secrets.push({ place: declared.place, subject: subjectOf(tenant, name), secret });
    if (there === undefined) addCreation(lists, match, compared.send);
    else addChange(lists, there, match, compared.send);
    const fields = [
      ...compared.fields,
      ...flagChange('enabled', declared.enabled, there?.enabled),
      ...flagChange('paused', declared.paused, there?.paused),
    ];
    const action = there === undefined ? 'create' : fields.length > 0 ? 'change' : 'none';
    plans.set(match, { action, name, id: there?.id, fields });
  }
  for (const { id, name } of removed) lists.deletions.push({ kind: 'delete-instance', name, key: { id } });
  return {
    plans: [
      ...matches.flatMap((match) => plans.get(match) ?? []),
      ...removed.map(({ id, name }): InstancePlan => ({ action: 'delete', name, id, fields: [] })),
    ],
    operations: lists,
    secrets,
    refusals,
    matches,
    kept: others.filter((instance) => !removed.includes(instance)),
    removed,
  };
}
