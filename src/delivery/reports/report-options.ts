import type { Cloud } from '../../entra/clouds.ts';
import type { PartnerApiVersions } from '../../intune/api-versions.ts';
import type { ContentForm } from '../../intune/entities.ts';
import type { Send } from '../../outbound/port.ts';
import type { Sql } from '../../store/database.ts';
import type { Hold, Tenant, TenantDirectory } from '../../store/tenants.ts';
import type { Log } from '../../telemetry/log.ts';
import type { Metrics } from '../../telemetry/metrics.ts';
import type { MicrosoftPort } from '../microsoft.ts';
import type { InventoryVocabulary } from './attributes.ts';

/** What the report stage is given, and what its steps share. */

export interface ReportStageSettings {
  readonly sql: Sql;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly send: Send;
  readonly tenants: TenantDirectory;
  readonly clouds: ReadonlyMap<string, Cloud>;
  readonly microsoft: MicrosoftPort;
  readonly apiVersions: PartnerApiVersions;
  /** How `Content` is written; by the api-version unless told. */
  readonly contentForm?: ContentForm;
  /** For tenants in mode `conditional-access`. */
  readonly vocabulary?: InventoryVocabulary;
  readonly timeoutMs: number;
  readonly uploadStatusSeconds: number;
  readonly verifySample: number;
  readonly holdRecheckSeconds: number;
  /** Intune does not hold us for the tenant's partner any more. */
  readonly notProvisioned: (tenantId: string) => Promise<void>;
  /** Microsoft refused our application a permission. */
  readonly permissionRefused: (tenantId: string) => Promise<void>;
  /** Seconds to wait after the n-th failed try. */
  readonly wait: (attempts: number) => number;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

/** What the steps of the stage share beside the settings. */
export interface ReportStageOptions extends ReportStageSettings {
  /** One tenant's Intune asked to be left alone for this long. */
  readonly freeze: (tenantId: string, seconds: number) => void;
  /** Every report of the tenant would be refused for the same cause: says so on the tenant. */
  readonly holdTenant: (tenant: Tenant, hold: Omit<Hold, 'since'>) => Promise<void>;
  /** Intune took a report of the tenant: whatever held it is over. */
  readonly releaseTenant: (tenant: Tenant) => Promise<void>;
}
