import type { Clock } from '../clock.ts';
import type { Directory, SimulatedTenant } from '../directory.ts';
import type { Faults } from '../faults.ts';
import type { Journal } from '../journal.ts';
import type { Random } from '../random.ts';
import type { Applications } from './applications.ts';
import type { SigningKeys } from './keys.ts';
import type { CloudSettings } from './settings.ts';

/** The context that every simulated service of the world shares. */
export interface MicrosoftWorld {
  readonly clock: Clock;
  readonly random: Random;
  readonly faults: Faults;
  readonly journal: Journal;
  /** Origins of the sign-in services, by cloud; a cloud adds itself when it starts. */
  readonly authorities?: Map<string, string>;
}

/** One simulated national cloud, as its services see it. */
export interface CloudContext {
  readonly name: string;
  readonly world: MicrosoftWorld;
  readonly directory: Directory;
  readonly applications: Applications;
  readonly settings: CloudSettings;
  readonly keys: SigningKeys;
  /** Origins, empty until the hosts listen. */
  readonly addresses: { entra: string; graph: string; intune: string };
  /** Certificate of the authority that the world's servers have theirs from, PEM. */
  readonly authorityPem: string;
  /** The Intune resource as tokens must name it, with the trailing slash (domain/microsoft.md 1.2). */
  readonly intuneResource: string;
  /** Before `PartnerTenantDataSyncService` and its sibling in the path of discovered addresses. */
  readonly intuneServicePrefix: string;
  issuer(version: 1 | 2, tenantId: string): string;
  /**
   * Milliseconds, the clock of the outside world. Client assertions are held against it: the callers under
   * test do not follow the simulated clock when it is moved.
   */
  callerNow(): number;
}

export type TenantLookup =
  | { readonly kind: 'here'; readonly tenant: SimulatedTenant }
  | { readonly kind: 'other-cloud'; readonly tenant: SimulatedTenant }
  | { readonly kind: 'unknown' };

/** A tenant lives in one cloud; the others know only that it is elsewhere (AADSTS90038). */
export function findTenant(cloud: CloudContext, tenantId: string): TenantLookup {
  const tenant = cloud.directory.tenant(tenantId) ?? cloud.directory.tenant(tenantId.toLowerCase());
  if (!tenant) return { kind: 'unknown' };
  return { kind: tenant.cloud === cloud.name ? 'here' : 'other-cloud', tenant };
}

export const isGuid = (value: unknown): value is string =>
  typeof value === 'string' && /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(value);

export const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
