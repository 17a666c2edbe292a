import type { AccessFailure, Tenant } from '../store/tenants/tenant.ts';

/** Delivery reaches the Microsoft side through this port, per tenant; src/connection/access.ts implements it. */

export interface IntuneAccess {
  readonly ok: true;
  readonly accessToken: string;
  /** Base address of PartnerDeviceDataSyncService. */
  readonly deviceService: string;
}

export interface MicrosoftPort {
  intune(tenant: Tenant): Promise<IntuneAccess | AccessFailure>;
  /** A token that may read devices in Entra; `canSeeCompliance` false means isCompliant will read null. */
  graph(
    tenant: Tenant,
  ): Promise<{ ok: true; accessToken: string; canSeeCompliance: boolean } | AccessFailure>;
  /**
   * The service refused the token, or its address does not answer, or says that it is not the one (`moved`): the next
   * call takes fresh ones.
   */
  invalidate(tenant: Tenant, what: 'token' | 'address' | 'moved'): void;
}
