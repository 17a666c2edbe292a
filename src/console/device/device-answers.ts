import { type Api, ApiRefusal, at } from '../api.ts';

/** What the pages of devices read of the admin API, as far as they show it. */

export interface Report {
  readonly state: string;
  readonly reason: string | null;
  readonly detail: string | null;
  readonly verification: string | null;
  readonly verdict: string;
  readonly reportedAt: string | null;
  readonly sentAt: string | null;
  readonly completedAt: string | null;
  readonly verifiedAt: string | null;
}

export interface Device {
  readonly deviceId: string;
  readonly instanceId: string;
  readonly jamfComputerId: string;
  readonly serialNumber: string | null;
  readonly udid: string | null;
  readonly pinned: boolean;
  readonly rule: string;
  readonly since: string;
  readonly report: Report | null;
}

export interface Claim {
  readonly instanceId: string;
  readonly jamfComputerId: string;
  readonly lastEnrolledDate: string | null;
  readonly lastCheckIn: string | null;
  readonly state: 'active' | 'resting' | 'stale';
}

export interface Explanation {
  readonly instanceId: string | null;
  readonly jamfComputerId: string | null;
  readonly rule: string;
  readonly since: string | null;
  readonly version: number | null;
  readonly claims: readonly Claim[];
  readonly conflict: boolean;
  readonly wouldChange: readonly string[];
  readonly previousDeviceIds: readonly string[];
  readonly nextDeviceId: string | null;
}

export interface TimelineEvent {
  readonly stage: string;
  readonly at: string;
  readonly instanceId?: string;
  readonly messageId?: string;
  readonly detail?: string;
}

export interface Instance {
  readonly id: string;
  readonly name: string;
  readonly url: string;
  readonly enabled: boolean;
}

export interface List<Row> {
  readonly totalCount: number;
  readonly results: readonly Row[];
}

/** Names of a tenant's instances, for the ids that answers hold. */
export interface Names {
  readonly instances: readonly Instance[];
  of(instanceId: string | null | undefined): string;
  /** A sentence of the API with names in place of ids. */
  inText(text: string): string;
}

export async function readNames(api: Api, tenantId: string): Promise<Names> {
  const { results } = await api.get<List<Instance>>(at`/tenants/${tenantId}/instances`, {
    'page-size': 2_000,
    sort: 'name:asc',
  });
  const names = new Map(results.map(({ id, name }) => [id, name]));
  const gone = 'an instance that was removed';
  return {
    instances: results,
    of: (instanceId) => names.get(instanceId ?? '') ?? gone,
    inText: (text) =>
      text.replaceAll(
        /(instance )?([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})/g,
        (all, _, found: string) => (names.get(found) === undefined ? all : `${names.get(found)}`),
      ),
  };
}

/** Undefined: the API has no such thing. */
export async function unlessMissing<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof ApiRefusal && error.problem.status === 404) return undefined;
    throw error;
  }
}
