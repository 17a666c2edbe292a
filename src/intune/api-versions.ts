import { isRecord, parseJson } from '../untrusted/bounded-json.ts';

/** `api-version` of each resource of the partner API; the sources disagree, so they are settings. */
export interface PartnerApiVersions {
  readonly PartnerTenants: string;
  readonly PartnerTenantHeartbeat: string;
  readonly DataUploadMessages: string;
  readonly PartnerCompliancePolicies: string;
}

/** The newest ones seen in public code (domain/microsoft.md 4.1). */
export const defaultApiVersions: PartnerApiVersions = {
  PartnerTenants: '1.6',
  PartnerTenantHeartbeat: '1.6',
  DataUploadMessages: '1.2',
  PartnerCompliancePolicies: '1.6',
};

export type ApiVersionsResult =
  | { readonly ok: true; readonly versions: PartnerApiVersions }
  | { readonly ok: false; readonly errors: readonly string[] };

const versionForm = /^\d{1,3}\.\d{1,3}$/;

/**
 * Reads ESPALIER_PARTNER_API_VERSIONS, JSON such as `{"DataUploadMessages":"1.1"}`, over the defaults. An unset or
 * empty text is the defaults; every fault is returned.
 */
export function parseApiVersions(text: string | undefined): ApiVersionsResult {
  if (text === undefined || text.trim() === '') return { ok: true, versions: defaultApiVersions };
  const given = parseJson(text);
  if (!isRecord(given)) return { ok: false, errors: ['must be a JSON object: resource name to version'] };
  const errors: string[] = [];
  const versions = { ...defaultApiVersions };
  for (const [name, version] of Object.entries(given)) {
    if (!isResource(name)) {
      errors.push(`${name} is none of ${Object.keys(defaultApiVersions).join(', ')}`);
    } else if (typeof version !== 'string' || !versionForm.test(version)) {
      errors.push(`${name} must be a version such as "${defaultApiVersions[name]}"`);
    } else {
      versions[name] = version;
    }
  }
  return errors.length === 0 ? { ok: true, versions } : { ok: false, errors };
}

const isResource = (name: string): name is keyof PartnerApiVersions =>
  Object.hasOwn(defaultApiVersions, name);
