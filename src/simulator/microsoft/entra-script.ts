import type { SimulatedTenant } from '../directory.ts';
import type { CloudContext } from './context.ts';
import { entraCatalogue } from './entra-catalogue.ts';
import type { EntraFailure } from './entra-error.ts';
import { describeOtherCloud, someOtherCloud } from './other-cloud.ts';
import type { EntraErrorInput } from './settings.ts';

/** The request at which a script may step in. */
export interface ScriptedRequest {
  readonly at: 'token' | 'consent' | 'sign-in';
  /** Lower case. */
  readonly appId: string;
  /** undefined: the path names none that is known. */
  readonly tenant: SimulatedTenant | undefined;
  readonly tenantId: string;
  readonly resource: string;
}

/** A refusal in the catalogue's words, or the script's own. Throws RangeError for a code without an OAuth error. */
function failureOf(cloud: CloudContext, script: EntraErrorInput, request: ScriptedRequest): EntraFailure {
  const known = entraCatalogue(script.code);
  const error = script.error ?? known?.error;
  if (error === undefined) throw new RangeError(`AADSTS${script.code} is not in the catalogue`);
  const { appId, resource, tenant, tenantId } = request;
  const facts = {
    appId,
    appName: cloud.applications.get(appId)?.displayName ?? appId,
    tenantId,
    tenantName: tenant?.displayName ?? tenantId,
    resource,
    ...describeOtherCloud(cloud, script.cloud ?? someOtherCloud(cloud)),
  };
  return {
    error,
    code: script.code,
    message: script.message ?? known?.text(facts) ?? 'Something is wrong.',
    status: script.status ?? known?.status,
    suberror: known?.suberror,
    retryAfterSeconds: known?.retryAfterSeconds,
  };
}

/** The script once used; null when that was its last time. */
const used = (script: EntraErrorInput): EntraErrorInput | null => {
  if (script.times === undefined) return script;
  return script.times <= 1 ? null : { ...script, times: script.times - 1 };
};

const applies = (
  script: EntraErrorInput | null | undefined,
  request: ScriptedRequest,
): script is EntraErrorInput =>
  script !== null &&
  script !== undefined &&
  (script.at ?? 'token') === request.at &&
  (script.appId === undefined || script.appId.toLowerCase() === request.appId);

/** The refusal ordered for this request, the tenant's before the cloud's; counted as given. */
export function takeScriptedError(cloud: CloudContext, request: ScriptedRequest): EntraFailure | undefined {
  const holders = [
    ...(request.tenant ? [cloud.settings.tenant(request.tenant.tenantId).entra] : []),
    cloud.settings,
  ];
  for (const holder of holders) {
    const script = holder.entraError;
    if (!applies(script, request)) continue;
    holder.entraError = used(script);
    return failureOf(cloud, script, request);
  }
  return undefined;
}
