import { z } from 'zod';

/**
 * A Microsoft national cloud: where its tokens come from, where its Graph is, and which hosts may ever see an
 * Intune token. Facts: domain/microsoft.md 1.1; file form: contract section 4.
 */
export interface Cloud {
  readonly name: string;
  /** Origin of the token endpoint, no trailing slash. */
  readonly authority: string;
  /** v2 issuer with the literal `{tenantid}`. */
  readonly issuer: string;
  /** v1 issuer with the literal `{tenantid}`; absent where Microsoft publishes none. */
  readonly issuerV1?: string;
  /** Graph's origin, no trailing slash. */
  readonly graph: string;
  /** Scope string of the Intune API, two slashes included (domain/microsoft.md 1.2). */
  readonly intuneScope: string;
  /** Host patterns, `*.suffix` or an exact name: the only hosts a discovered service may have. */
  readonly intuneHosts: readonly string[];
  readonly intunePort: number;
  /** Key set address with the literal `{tenantid}`. */
  readonly jwks: string;
  readonly portal: string;
}

export type CloudsResult =
  | { readonly ok: true; readonly clouds: ReadonlyMap<string, Cloud> }
  | { readonly ok: false; readonly errors: readonly CloudsFileError[] };

/** One fault of the clouds file; `path` is like `lab.intuneHosts[0]`, empty for the file itself. */
export interface CloudsFileError {
  readonly path: string;
  readonly message: string;
}

const tenantPlaceholder = '{tenantid}';
const httpsPort = 443;

const microsoftCloud = (
  name: string,
  authority: string,
  graph: string,
  intuneDomain: string,
  portal: string,
): Cloud => ({
  name,
  authority,
  issuer: `${authority}/${tenantPlaceholder}/v2.0`,
  graph,
  intuneScope: `https://api.${intuneDomain}//.default`,
  intuneHosts: [`*.${intuneDomain}`],
  intunePort: httpsPort,
  jwks: `${authority}/${tenantPlaceholder}/discovery/v2.0/keys`,
  portal,
});

const usGovAuthority = 'https://login.microsoftonline.us';
const usGovPortal = 'https://intune.microsoft.us';
/** Entra issues v1 tokens under this name in the public and US Government clouds (contract section 4). */
const stsIssuer = `https://sts.windows.net/${tenantPlaceholder}/`;

/** The clouds that need no file. The DoD and China audiences are unverified: a clouds file can override them. */
export const builtInClouds: ReadonlyMap<string, Cloud> = new Map(
  [
    {
      ...microsoftCloud(
        'public',
        'https://login.microsoftonline.com',
        'https://graph.microsoft.com',
        'manage.microsoft.com',
        'https://intune.microsoft.com',
      ),
      issuerV1: stsIssuer,
    },
    {
      ...microsoftCloud(
        'usgov',
        usGovAuthority,
        'https://graph.microsoft.us',
        'manage.microsoft.us',
        usGovPortal,
      ),
      issuerV1: stsIssuer,
    },
    {
      ...microsoftCloud(
        'usgov-dod',
        usGovAuthority,
        'https://dod-graph.microsoft.us',
        'manage.microsoft.us',
        usGovPortal,
      ),
      issuerV1: stsIssuer,
    },
    {
      // The issuer is the partner host even when the token endpoint is chinacloudapi.cn (domain/microsoft.md 1.1).
      ...microsoftCloud(
        'china',
        'https://login.partner.microsoftonline.cn',
        'https://microsoftgraph.chinacloudapi.cn',
        'manage.microsoft.cn',
        'https://endpoint.microsoftonline.cn',
      ),
      issuerV1: `https://sts.chinacloudapi.cn/${tenantPlaceholder}/`,
    },
  ].map((cloud) => [cloud.name, cloud]),
);

const parseHttps = (value: string): URL | undefined => {
  const url = URL.canParse(value) ? new URL(value) : undefined;
  return url !== undefined && url.protocol === 'https:' && url.username === '' && url.password === ''
    ? url
    : undefined;
};

const httpsOrigin = z
  .string()
  .refine((value) => parseHttps(value) !== undefined, { error: 'must be an https URL', abort: true })
  .refine((value) => parseHttps(value)?.pathname === '/' && !/[?#]/u.test(value), {
    error: 'must be an origin: no path, query or fragment',
    abort: true,
  })
  .transform((value) => new URL(value).origin);

/** Kept exactly as written: issuers are compared character by character, a trailing slash included. */
const tenantTemplate = z
  .string()
  .refine((value) => value.split(tenantPlaceholder).length === 2, {
    error: `must hold ${tenantPlaceholder} exactly once`,
    abort: true,
  })
  .refine((value) => parseHttps(value.replace(tenantPlaceholder, 'tenant')) !== undefined, {
    error: 'must be an https URL',
    abort: true,
  })
  .refine((value) => !parseHttps(value.replace(tenantPlaceholder, '0tenant0'))?.host.includes('0tenant0'), {
    error: `must not have ${tenantPlaceholder} in its host`,
  });

const scope = z.string().refine((value) => value.endsWith('/.default') && !/\s/u.test(value), {
  error: 'must be one resource followed by /.default',
});

const wildcardForm = /^\*(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*\.[a-z][a-z0-9-]*$/u;

/** An exact host (an address too, where a laboratory has no names) as URLs write it, or `*.` and a name. */
const isHostPattern = (value: string): boolean => {
  if (value.includes('*')) return wildcardForm.test(value);
  return URL.canParse(`https://${value}`) && new URL(`https://${value}`).hostname === value;
};
const hostPattern = z.string().toLowerCase().refine(isHostPattern, {
  error: 'must be a host name, or *. and a domain',
});

const cloudFields = {
  authority: httpsOrigin,
  issuer: tenantTemplate,
  issuerV1: tenantTemplate,
  graph: httpsOrigin,
  intuneScope: scope,
  intuneHosts: z.array(hostPattern).min(1),
  intunePort: z.int().min(1).max(65_535),
  jwks: tenantTemplate,
  portal: httpsOrigin,
};
const overrideSchema = z.strictObject(cloudFields).partial();
const cloudSchema = z.strictObject({
  ...cloudFields,
  issuerV1: tenantTemplate.optional(),
  intunePort: cloudFields.intunePort.default(httpsPort),
});
const fileSchema = z.record(z.string(), z.unknown());
// The name is in environment variables as well: ESPALIER_ENTRA_CERT_FILE_USGOV (contract section 3).
const cloudNameForm = /^[a-z][a-z0-9-]{0,30}$/u;

const pathOf = (name: string, path: readonly PropertyKey[]): string =>
  path.reduce<string>(
    (text, part) => (typeof part === 'number' ? `${text}[${part}]` : `${text}.${String(part)}`),
    name,
  );

const parseEntry = (
  name: string,
  value: unknown,
): { readonly cloud: Cloud } | { readonly errors: readonly CloudsFileError[] } => {
  if (!cloudNameForm.test(name)) {
    return { errors: [{ path: name, message: 'must be a name of small letters, digits and hyphens' }] };
  }
  const base = builtInClouds.get(name);
  const parsed = base === undefined ? cloudSchema.safeParse(value) : overrideSchema.safeParse(value);
  if (!parsed.success) {
    return {
      errors: parsed.error.issues.map((issue) => ({
        path: pathOf(name, issue.path),
        message: issue.message,
      })),
    };
  }
  // The members are complete in both cases: for a new cloud the strict schema has proved each, for a built-in one
  // `base` has them.
  return base === undefined
    ? { cloud: { name, ...cloudSchema.parse(value) } }
    : { cloud: { ...base, ...overrideSchema.parse(value) } };
};

/**
 * Reads the parsed JSON of a clouds file (contract section 4) over the built-in clouds: a known name overrides
 * only the members it gives, a new name needs all but `issuerV1` and `intunePort`. Every fault is returned.
 */
export const parseClouds = (json: unknown): CloudsResult => {
  const file = fileSchema.safeParse(json);
  if (!file.success) {
    return { ok: false, errors: [{ path: '', message: 'must be an object: cloud name to cloud' }] };
  }
  const clouds = new Map(builtInClouds);
  const errors: CloudsFileError[] = [];
  for (const [name, value] of Object.entries(file.data)) {
    const entry = parseEntry(name, value);
    if ('cloud' in entry) {
      clouds.set(name, entry.cloud);
    } else {
      errors.push(...entry.errors);
    }
  }
  return errors.length === 0 ? { ok: true, clouds } : { ok: false, errors };
};

/** The exact v2 issuer of a tenant's tokens. */
export const issuerFor = (cloud: Cloud, tenantId: string): string =>
  cloud.issuer.replace(tenantPlaceholder, tenantId);

/** The exact v1 issuer of a tenant's tokens, if the cloud has one. */
export const issuerV1For = (cloud: Cloud, tenantId: string): string | undefined =>
  cloud.issuerV1?.replace(tenantPlaceholder, tenantId);

/** Address of the keys of a tenant's tokens (domain/microsoft.md 1.4: the tenant's own address is preferred). */
export const jwksUrlFor = (cloud: Cloud, tenantId: string): string =>
  cloud.jwks.replace(tenantPlaceholder, tenantId);

/** Graph's scope string in this cloud. */
export const graphScopeFor = (cloud: Cloud): string => `${cloud.graph}/.default`;

/** The token endpoint of a tenant: also the audience of a client assertion (domain/microsoft.md 1.2). */
export const tokenEndpointFor = (cloud: Cloud, tenantId: string): string =>
  `${cloud.authority}/${tenantId}/oauth2/v2.0/token`;
