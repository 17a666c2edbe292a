/**
 * Whether what was read of a tenant still holds, for a runtime that does not hear of changes and asks for the versions of
 * tenants instead (Workers; `served.ts`). What nobody confirms is believed for a fixed time.
 */
export interface Confirmations {
  /** Milliseconds of a clock that never gives the same value twice, so that it says what was read before what. */
  readonly now: () => number;
  /**
   * True where what was read of the tenant from `readAtMs` on may be served: of this device, or of the tenant, its instances and
   * their keys. A version that grows old is asked for behind the caller.
   */
  holds(tenantId: string, readAtMs: number, deviceId?: string): boolean;
  /** Asks for the tenant's version where it is not known or too old. Never rejects. */
  ask(tenantId: string): Promise<void>;
}
