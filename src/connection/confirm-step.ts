/** Needs and outcomes of the steps of a confirmation: well, failed with cause, remedy and owner, or not tried. */

import type { Cloud } from '../entra/clouds.ts';
import type { PartnerApiVersions } from '../intune/api-versions.ts';
import type { IntuneError } from '../intune/call.ts';
import type { JamfClient } from '../jamf/client.ts';
import type { Send } from '../outbound/port.ts';
import type { Sql } from '../store/database.ts';
import type { Instance } from '../store/instances/instance.ts';
import type { ConfirmStep } from '../store/row-types.ts';
import type { AccessFailure, TenantDirectory } from '../store/tenants/tenant.ts';
import type { Log } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { ConnectionAccess } from './access.ts';

export interface ConfirmOptions {
  readonly sql: Sql;
  readonly send: Send;
  readonly tenants: TenantDirectory;
  readonly access: ConnectionAccess;
  readonly clouds: ReadonlyMap<string, Cloud>;
  readonly apiVersions: PartnerApiVersions;
  readonly clientOf: (instance: Instance) => JamfClient;
  readonly publicUrl: string;
  readonly timeoutMs: number;
  readonly heartbeatSeconds: number;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly now: () => number;
}

/** Takes each step as it is done. */
export type AddStep = (step: ConfirmStep) => Promise<void>;

export const good = (name: string, detail?: string): ConfirmStep => ({
  name,
  ok: true,
  ...(detail ? { detail } : {}),
});
export const bad = (
  name: string,
  cause: string,
  detail: string,
  remedy: string,
  owner: string,
): ConfirmStep => ({
  name,
  ok: false,
  cause,
  detail,
  remedy,
  owner,
});
export const failedAccess = (name: string, { cause, detail, owner, remedy }: AccessFailure): ConfirmStep =>
  bad(name, cause, detail, remedy, owner);
export const notTried = (name: string, after: string): ConfirmStep =>
  bad(name, 'not-tried', `Needs the step ${after}.`, `Mend ${after} and confirm again.`, 'configuration');

export const failedCall = (name: string, error: IntuneError): ConfirmStep =>
  bad(
    name,
    error.outcome === 'refused' ? `refused-${error.code}` : error.outcome,
    error.detail,
    error.outcome === 'forbidden' || error.outcome === 'unauthenticated'
      ? 'Check the permissions of the connector application and that the partner is added in Intune.'
      : 'Confirm again; if it stays, give Microsoft support the time and the tenant.',
    'microsoft',
  );
