import type { Context } from 'hono';
import type { HostEnv } from '../host.ts';
import type { AcceptedToken } from './bearer.ts';
import type { CloudContext } from './context.ts';
import type { IntuneState, IntuneTenant } from './intune-state.ts';
import type { IntuneSettings } from './settings.ts';
import type { UploadProcessor } from './upload-processing.ts';

/** A request to the partner data API after authentication and routing. */
export interface IntuneRequest {
  readonly c: Context<HostEnv>;
  readonly cloud: CloudContext;
  readonly token: AcceptedToken;
  readonly tenant: IntuneTenant;
  readonly settings: IntuneSettings;
  readonly state: IntuneState;
  readonly processor: UploadProcessor;
  readonly apiVersion: string;
  /** The GUID in `Entity(guid'…')`, lower case; undefined for the set itself. */
  readonly key: string | undefined;
  /** The action behind the key, as `Assign`. */
  readonly action: string | undefined;
  /** Address of the service, for `odata.id` and `Location`. */
  readonly serviceUri: string;
}

/** An OData v3 error: the dialect of domain/microsoft.md 4. */
export function odataError(
  c: Context<HostEnv>,
  status: 400 | 401 | 403 | 404 | 405 | 409 | 415 | 500,
  code: string,
  message: string,
): Response {
  c.set('note', { ...c.get('note'), code });
  return c.json({ 'odata.error': { code, message: { lang: 'en-US', value: message } } }, status);
}

/** The JSON body, or undefined when it is none. */
export async function readJson(c: Context<HostEnv>): Promise<unknown> {
  try {
    return JSON.parse(await c.req.text());
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

export const notProvisioned = (tenantId: string): string =>
  `Tenant ${tenantId} is not provisioned for this partner.`;
