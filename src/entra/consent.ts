import { parseGuid } from '../ids.ts';
import { stateCharacters } from '../limits.ts';
import { oneLine } from '../telemetry/one-line.ts';
import type { Cloud } from './clouds.ts';

/** Descriptions go to logs and pages: Entra's are a few hundred characters. */
const longestDescriptionCharacters = 500;

export interface ConsentRequest {
  readonly cloud: Cloud;
  readonly tenantId: string;
  readonly clientId: string;
  /** Exactly one of those registered. */
  readonly redirectUri: string;
  /** `{resource}/.default` for application permissions (domain/microsoft.md 1.5). */
  readonly scope: string;
  readonly state: string;
}

/**
 * The parameters that came back from Microsoft's consent page. Everything in it is the browser's word: `tenant` proves nothing
 * until a token has been taken there (domain/microsoft.md 1.5).
 */
export type ConsentRedirect =
  | { readonly outcome: 'granted'; readonly tenantId: string; readonly state: string }
  | {
      readonly outcome: 'refused';
      readonly error: string;
      readonly description: string;
      /** AADSTS number, when the description begins with one. */
      readonly code?: number;
      readonly state?: string;
    }
  | { readonly outcome: 'malformed'; readonly detail: string; readonly state?: string };

/** The address an administrator opens to consent: the v2 endpoint of the tenant (domain/microsoft.md 1.5). */
export function adminConsentUrl(request: ConsentRequest): string {
  const url = new URL(`${request.cloud.authority}/${request.tenantId}/v2.0/adminconsent`);
  url.search = new URLSearchParams({
    client_id: request.clientId,
    redirect_uri: request.redirectUri,
    scope: request.scope,
    state: request.state,
  }).toString();
  return url.toString();
}

const clean = (text: string): string => oneLine(text, longestDescriptionCharacters);

/** What Microsoft adds to the address; anything else in it is ignored. */
export const consentParameters = ['admin_consent', 'tenant', 'state', 'error', 'error_description'];

/** Reads the query of the redirect (domain/microsoft.md 1.5); unknown parameters are ignored. */
export function parseConsentRedirect(query: URLSearchParams): ConsentRedirect {
  const twice = consentParameters.find((name) => query.getAll(name).length > 1);
  if (twice !== undefined) return { outcome: 'malformed', detail: `${twice} is given twice` };
  const state = query.get('state') ?? undefined;
  if (state !== undefined && (state === '' || state.length > stateCharacters)) {
    return { outcome: 'malformed', detail: 'state is empty or too long' };
  }
  const withState = state === undefined ? {} : { state };
  const error = query.get('error');
  if (error !== null) {
    const description = clean(query.get('error_description') ?? '');
    const code = /AADSTS(\d{4,8})/.exec(description)?.[1];
    return {
      outcome: 'refused',
      error: clean(error),
      description,
      ...(code === undefined ? {} : { code: Number(code) }),
      ...withState,
    };
  }
  if (query.get('admin_consent')?.toLowerCase() !== 'true') {
    return { outcome: 'malformed', detail: 'neither consent nor an error', ...withState };
  }
  const tenantId = parseGuid(query.get('tenant') ?? undefined);
  if (tenantId === undefined) return { outcome: 'malformed', detail: 'tenant is no GUID', ...withState };
  if (state === undefined) return { outcome: 'malformed', detail: 'state is missing' };
  return { outcome: 'granted', tenantId, state };
}
