import type { Tenant } from '../store/tenants.ts';

/** What delivery needs of the Microsoft side, per tenant; the connection plane fulfils it (src/connection/access.ts). */

/** Why a tenant's Intune cannot be talked to now. */
export interface AccessFailure {
  readonly ok: false;
  /** `hold`: somebody must act first. `retry`: it passes. */
  readonly kind: 'hold' | 'retry';
  readonly cause: string;
  readonly detail: string;
  readonly remedy: string;
  readonly owner: string;
  readonly retryAfterSeconds?: number;
}

export interface IntuneAccess {
  readonly ok: true;
  readonly accessToken: string;
  /** Base address of PartnerDeviceDataSyncService. */
  readonly deviceService: string;
}

export interface MicrosoftPort {
  intune(tenant: Tenant): Promise<IntuneAccess | AccessFailure>;
  /** A token that may read devices in Entra; `canSeeCompliance` false means isCompliant will read null. */
  graph(tenant: Tenant): Promise<{ ok: true; accessToken: string; canSeeCompliance: boolean } | AccessFailure>;
  /** The service refused the token, or its address no longer answers: the next call takes fresh ones. */
  invalidate(tenant: Tenant, what: 'token' | 'address'): void;
}
