import { html } from 'hono/html';
import type { Html } from '../gateway/page-layout.ts';
import type { ApiAnswer } from './api.ts';
import { at } from './api.ts';
import { badge } from './parts.ts';
import type { Visit } from './visit.ts';

/** A tenant as the pages about it read it of the API. */

export interface Landing {
  readonly choice: 'default' | 'denied' | 'custom';
  readonly customUrl?: string;
  readonly defaultInstanceId?: string;
}

export interface Tenant {
  readonly id: string;
  readonly displayName: string;
  readonly cloud: string;
  readonly mode: 'device-compliance' | 'conditional-access';
  readonly connectionType: 'cloud-connector' | 'manual';
  readonly landing: Landing;
  readonly partnerGroup: { readonly id?: string; readonly displayName?: string } | null;
  readonly connectionState: ConnectionState;
  readonly paused: boolean;
  readonly connectedAt: string | null;
  readonly tags: readonly string[];
}

export type ConnectionState =
  | 'new'
  | 'consenting'
  | 'consented'
  | 'connected'
  | 'disabled'
  | 'disconnecting'
  | 'disconnected'
  | 'terminated';

/** What went wrong, who has to act and how. */
export interface Cause {
  readonly cause: string;
  readonly detail: string;
  readonly remedy: string;
  readonly owner: string;
}

export interface BacklogCause {
  readonly instanceId: string;
  readonly instance: string;
  readonly cause: string;
  readonly detail: string;
  readonly owner: string;
  readonly computers: number;
  readonly since: string | null;
  readonly nextTryAt: string | null;
}

export interface Status {
  readonly partnerState: {
    readonly state: string;
    readonly source: 'graph' | 'derived';
    readonly at: string | null;
  };
  readonly hold: (Cause & { readonly since: string }) | null;
  readonly lastHeartbeatAt: string | null;
  readonly lastConfirmAt: string | null;
  readonly terminatedAt: string | null;
  readonly devicesMarkedAt: string | null;
  readonly devicesRemovedAt: string | null;
  readonly deprovisionPending: boolean;
  readonly retraction: { readonly total: number; readonly left: number } | null;
  readonly messageErrors: readonly unknown[];
  readonly permissions: {
    readonly ok: boolean;
    readonly checkedAt: string;
    readonly missing: readonly string[];
    readonly extra: readonly string[];
  } | null;
  readonly notifications: { readonly state: string; readonly remedy: string | null };
  readonly backlog: { readonly computers: number; readonly reports: number };
  readonly backlogCauses: readonly BacklogCause[];
  readonly oldestUndeliveredAgeSeconds: number | null;
  readonly reports: Readonly<Record<string, number>>;
  readonly heldReasons: Readonly<Record<string, number>>;
  readonly devices: number;
  readonly warnings: readonly string[];
}

export interface Instance {
  readonly id: string;
  readonly name: string;
  readonly url: string;
  readonly enabled: boolean;
  readonly paused: boolean;
  readonly jamfVersion: string | null;
  readonly lastSeenAt: string | null;
  readonly lastError: string | null;
  readonly lastErrorAt: string | null;
}

/** A step of confirm, enable or test. */
export interface Step {
  readonly name: string;
  readonly ok: boolean;
  readonly detail?: string;
  readonly cause?: string;
  readonly remedy?: string;
  readonly owner?: string;
}

/** Of the path. */
export const tenantPath = ({ param }: Pick<Visit, 'param'>): string => at`/tenants/${param('tenantId')}`;

export const readTenant = (visit: Visit): Promise<ApiAnswer<Tenant>> =>
  visit.api.read<Tenant>(tenantPath(visit));

/** Each tag leads to the tenants that have it. */
export const tagLinks = (tags: readonly string[]): Html =>
  html`${tags.map((tag) => html`<a href="/tenants?${new URLSearchParams({ tag })}">${badge(tag)}</a> `)}`;

/** The way back from a page about a tenant. */
export const aboveTenant = ({ displayName, id }: Tenant): (readonly [string, string])[] => [
  ['Tenants', '/tenants'],
  [displayName, `/tenants/${id}`],
];
