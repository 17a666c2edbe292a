import { type ApiAnswer, at } from './api.ts';
import type { Visit } from './visit.ts';

/** An instance as the pages about it read it of the API. */

export interface Reading {
  readonly polledAt: string | null;
  readonly pollError: string | null;
  readonly nextPollAt: string | null;
  readonly reconciledAt: string | null;
  readonly reconcileError: string | null;
  readonly reconcilingSince: string | null;
  readonly nextReconcileAt: string | null;
}

export interface Compliance {
  readonly source: 'jamf' | 'smart-group';
  readonly applicableGroup?: string;
  readonly complianceGroup?: string;
}

export interface Instance {
  readonly id: string;
  readonly tenantId: string;
  readonly name: string;
  readonly url: string;
  readonly apiClient: { readonly clientId: string; readonly secretRef: string | null };
  readonly compliance: Compliance;
  readonly caCertificate: string | null;
  readonly clientCertificateSha256: string | null;
  readonly enabled: boolean;
  readonly paused: boolean;
  readonly jamfVersion: string | null;
  readonly lastSeenAt: string | null;
  readonly lastError: string | null;
  readonly lastErrorAt: string | null;
  readonly reading: Reading;
  readonly webhookUrl: string;
  readonly inventoryUrl: string;
}

export interface InstanceKey {
  readonly id: string;
  readonly name: string;
  readonly prefix: string;
  readonly createdAt: string;
  readonly expiresAt: string | null;
  readonly lastUsedAt: string | null;
}

/** Of the request's path, in the API and in the console alike. */
export const instancesPath = ({ param }: Pick<Visit, 'param'>): string =>
  at`/tenants/${param('tenantId')}/instances`;
export const instancePath = (visit: Pick<Visit, 'param'>): string =>
  `${instancesPath(visit)}/${encodeURIComponent(visit.param('instanceId'))}`;

export const readInstance = (visit: Visit): Promise<ApiAnswer<Instance>> =>
  visit.api.read<Instance>(instancePath(visit));

type Above = readonly (readonly [label: string, path: string])[];

/** The way back from a page about the instances of a tenant. */
export async function aboveInstances({ api, param }: Visit): Promise<Above> {
  const tenant = at`/tenants/${param('tenantId')}`;
  const { displayName } = await api.get<{ displayName: string }>(tenant);
  return [
    ['Tenants', '/tenants'],
    [displayName, tenant],
  ];
}

export const aboveInstance = async (visit: Visit, { name }: Pick<Instance, 'name'>): Promise<Above> => [
  ...(await aboveInstances(visit)),
  [name, instancePath(visit)],
];
