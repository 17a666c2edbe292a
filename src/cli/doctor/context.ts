import type { Config } from '../../runtime/config.ts';
import type { Inspection } from '../../runtime/node-inspection.ts';
import type { Instance } from '../../store/instances/instance.ts';
import type { Tenant } from '../../store/tenants/tenant.ts';

/** The context that every check of `doctor` needs. */
export interface DoctorContext {
  readonly config: Config;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly inspection: Inspection;
  /** Timeout of one step of a check. */
  readonly timeoutMs: number;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** The selected ones. */
  readonly tenants: readonly Tenant[];
  /** The selected ones that are enabled. */
  readonly instances: readonly Instance[];
}

export const tenantSubject = ({ displayName, tenantId }: Pick<Tenant, 'displayName' | 'tenantId'>): string =>
  `${displayName} (${tenantId})`;

export const instanceSubject = ({ instanceId, name }: Pick<Instance, 'instanceId' | 'name'>): string =>
  `${name} (${instanceId})`;
