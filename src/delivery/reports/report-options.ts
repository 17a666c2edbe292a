import type { Cloud } from '../../entra/clouds.ts';
import type { PartnerApiVersions } from '../../intune/api-versions.ts';
import type { ContentForm } from '../../intune/entities.ts';
import type { Send } from '../../outbound/port.ts';
import type { Brake } from '../../store/reports/brake.ts';
import type { ReportStore } from '../../store/reports/report-row.ts';
import type { Hold } from '../../store/row-types.ts';
import type { Tenant } from '../../store/tenants/tenant.ts';
import type { Log } from '../../telemetry/log.ts';
import type { Metrics } from '../../telemetry/metrics.ts';
import type { InTurn } from '../../untrusted/turns.ts';
import type { MicrosoftPort } from '../microsoft.ts';
import type { Circuits } from '../stage/circuit.ts';
import type { InventoryVocabulary } from './attributes.ts';

/** The report stage and its steps share these options. */

/** The tenants as this stage sees them. */
export interface ReportTenants {
  tenant(tenantId: string): Promise<Tenant | undefined>;
  /** Reads the tenant from the database. */
  fresh(tenantId: string): Promise<Tenant | undefined>;
  /** Every report of the tenant would be refused for the same cause: says so on the tenant. */
  hold(tenant: Tenant, hold: Omit<Hold, 'since'>): Promise<void>;
  /** Intune took a report of the tenant: whatever held it is over, and what waited is due. */
  release(tenant: Tenant): Promise<void>;
  /** Intune asked for silence: the other processes are told. */
  silence(tenant: Tenant, until: Date): Promise<void>;
}

export interface ReportStageOptions {
  readonly store: ReportStore;
  /** Holds mass changes for the worse; default: nothing is held. */
  readonly brake?: Brake;
  readonly log: Log;
  readonly metrics: Pick<Metrics, 'upload'>;
  readonly send: Send;
  readonly tenants: ReportTenants;
  readonly clouds: ReadonlyMap<string, Cloud>;
  readonly microsoft: MicrosoftPort;
  /** Circuits of Intune by tenant. */
  readonly circuits: Circuits;
  readonly apiVersions: PartnerApiVersions;
  /** Form of `Content`; default: that of the api-version. */
  readonly contentForm?: ContentForm;
  /** Used for tenants in mode `conditional-access`. */
  readonly vocabulary?: InventoryVocabulary;
  readonly timeoutMs: number;
  /** Turns in which calls to Intune begin: messages are stored together, and would go on together. */
  readonly inTurn: InTurn;
  readonly maxDevices: number;
  readonly uploadStatusSeconds: number;
  readonly verifySample: number;
  readonly holdRecheckSeconds: number;
  /** Microsoft refused our application a permission. */
  readonly permissionRefused: (tenantId: string) => Promise<void>;
  /** Seconds to wait after the n-th failed try. */
  readonly wait: (attempts: number) => number;
  /** Milliseconds since the epoch: for dates. */
  readonly now: () => number;
  /** Milliseconds that only grow: for durations (clock.ts). */
  readonly elapsedMs: () => number;
  readonly newId: () => string;
}
