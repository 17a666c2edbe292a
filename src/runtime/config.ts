import type { EffectiveSetting } from '../admin/settings/effective-setting.ts';
import { type ExpectedPermissions, parseExpectedPermissions } from '../connection/expected-permissions.ts';
import type { InventoryVocabulary } from '../delivery/reports/attributes.ts';
import { parseVocabulary } from '../delivery/reports/vocabulary.ts';
import { type Cloud, parseClouds } from '../entra/clouds.ts';
import { type Credential, certificateCredential } from '../entra/credentials.ts';
import { type LandingPaths, parseLandingPaths } from '../forwarding/landing-paths.ts';
import { type PartnerApiVersions, parseApiVersions } from '../intune/api-versions.ts';
import { type AllowEntry, parseAllowEntry } from '../outbound/addresses.ts';
import { minDatabaseConnections } from '../store/connection-budget.ts';
import type { ChallengeKind } from '../store/row-types.ts';
import { effectiveSettings } from './effective-settings.ts';
import { connectionsProblem } from './process-shares.ts';
import { givenValue, type ListenAddress, type Setting, type Settings, settings } from './settings.ts';

/** One fault of the configuration: the variable, what is wrong with its value, and a good one. */
export interface ConfigFault {
  readonly variable: string;
  readonly problem: string;
  readonly example: string;
}

/** An application registered in one cloud, with what proves it. */
export interface RegisteredApplication {
  readonly clientId: string;
  /** Tried in this order; the second is the `_NEXT` pair. */
  readonly credentials: readonly Credential[];
}

/** Certificates by ACME (docs/tls.md), as far as all of it is set. */
export interface AcmeConfig {
  readonly directory: string;
  readonly names: readonly string[];
  readonly email: string | undefined;
  readonly challenge: ChallengeKind;
  readonly listen: ListenAddress;
}

export interface Config
  extends Omit<
    Settings,
    | 'acmeDirectory'
    | 'acmeNames'
    | 'acmeTerms'
    | 'acmeEmail'
    | 'acmeChallenge'
    | 'acmeListen'
    | 'upstreamAllow'
    | 'partnerApiVersions'
    | 'audience'
    | 'userAppClientId'
    | 'expectedPermissions'
    | 'intuneVocabulary'
    | 'landingPaths'
    | 'operatorAudience'
    | 'operatorClientId'
    | 'operatorClientSecret'
  > {
  readonly clouds: ReadonlyMap<string, Cloud>;
  readonly upstreamAllow: readonly AllowEntry[];
  readonly partnerApiVersions: PartnerApiVersions;
  readonly expectedPermissions: ExpectedPermissions;
  readonly intuneVocabulary: InventoryVocabulary;
  readonly landingPaths: LandingPaths;
  /** Undefined: no certificate comes by ACME. */
  readonly acme: AcmeConfig | undefined;
  /** PEM of ESPALIER_CLIENT_CA_FILE. */
  readonly clientCa: string | undefined;
  readonly connector: (cloud: string) => RegisteredApplication | undefined;
  readonly diagnostic: (cloud: string) => RegisteredApplication | undefined;
  readonly userAppClientId: (cloud: string) => string | undefined;
  /** The application that operators sign in to: the connector's unless it has one of its own. */
  readonly operators: (cloud: string) => RegisteredApplication | undefined;
  /** `aud` values that operators' tokens may carry on the admin API. */
  readonly operatorAudiences: (cloud: string) => readonly string[];
  /** `aud` values that calls for a tenant of this cloud may carry. */
  readonly audiences: (cloud: string) => readonly string[];
  /** All of it as operators may see it: no secret is in here. */
  readonly effective: readonly EffectiveSetting[];
}

export type ConfigResult =
  | { readonly ok: true; readonly config: Config }
  | {
      readonly ok: false;
      readonly faults: readonly ConfigFault[];
      /** Names, as far as they are known. */
      readonly clouds: readonly string[];
    };

export interface ConfigSource {
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Throws when the file cannot be read; on Workers there are no files. */
  readonly readFile: (path: string) => string;
}

/** `usgov-dod` is `USGOV_DOD` in a variable's name (contract section 3). */
export const cloudSuffix = (cloud: string): string => `_${cloud.toUpperCase().replaceAll('-', '_')}`;

class Reader {
  readonly faults: ConfigFault[] = [];
  private readonly source: ConfigSource;
  constructor(source: ConfigSource) {
    this.source = source;
  }

  fault(variable: string, problem: string, example: string): undefined {
    this.faults.push({ variable, problem, example });
    return undefined;
  }

  /** A setting's value under its own name or with suffixes; a fault gives the value of an absent variable. */
  read<T>(setting: Setting<T>, suffix = ''): T {
    const name = setting.name + suffix;
    const read = setting.schema.safeParse(givenValue(setting, this.source.environment, name));
    if (read.success) return read.data;
    for (const { message } of read.error.issues) {
      this.fault(name, setting.secret ? message.replace(/'[^']*'/g, 'the value') : message, setting.example);
    }
    return setting.schema.parse(undefined);
  }

  /** A value with a fault counts, too: that is told already. */
  isSet({ name }: Setting<unknown>): boolean {
    return (this.source.environment[name]?.trim() ?? '') !== '';
  }

  file(setting: Setting<string | undefined>, suffix = ''): string | undefined {
    const path = this.read(setting, suffix);
    if (path === undefined) return undefined;
    try {
      return this.source.readFile(path);
    } catch (error) {
      return this.fault(
        setting.name + suffix,
        `the file cannot be read: ${(error as Error).message}`,
        setting.example,
      );
    }
  }
}

type CredentialSettings = {
  clientId: Setting<string | undefined>;
  certFile: Setting<string | undefined>;
  keyFile: Setting<string | undefined>;
  secret: Setting<string | undefined>;
};

const connectorSettings: CredentialSettings = {
  clientId: settings.entraClientId,
  certFile: settings.entraCertFile,
  keyFile: settings.entraKeyFile,
  secret: settings.entraClientSecret,
};

const diagnosticSettings: CredentialSettings = {
  clientId: settings.diagnosticClientId,
  certFile: settings.diagnosticCertFile,
  keyFile: settings.diagnosticKeyFile,
  secret: settings.diagnosticClientSecret,
};

const operatorSettings: CredentialSettings = {
  clientId: settings.operatorClientId,
  certFile: settings.operatorCertFile,
  keyFile: settings.operatorKeyFile,
  secret: settings.operatorClientSecret,
};

async function readCredential(
  reader: Reader,
  from: CredentialSettings,
  clientId: string | undefined,
  suffix: string,
): Promise<Credential | undefined> {
  const certificatePem = reader.file(from.certFile, suffix);
  const keyPem = reader.file(from.keyFile, suffix);
  const secret = reader.read(from.secret, suffix);
  if (certificatePem !== undefined && keyPem === undefined) {
    return reader.fault(
      from.keyFile.name + suffix,
      `is missing beside ${from.certFile.name}${suffix}`,
      from.keyFile.example,
    );
  }
  if (keyPem !== undefined && certificatePem === undefined) {
    return reader.fault(
      from.certFile.name + suffix,
      `is missing beside ${from.keyFile.name}${suffix}`,
      from.certFile.example,
    );
  }
  if (clientId === undefined) {
    if (certificatePem !== undefined || secret !== undefined) {
      reader.fault(
        from.clientId.name + suffix.replace(/_NEXT$/, ''),
        'is missing although a credential is set',
        from.clientId.example,
      );
    }
    return undefined;
  }
  if (certificatePem !== undefined && keyPem !== undefined) {
    const made = await certificateCredential(clientId, certificatePem, keyPem);
    if (made.ok) return made.credential;
    const setting = made.fault === 'certificate' ? from.certFile : from.keyFile;
    return reader.fault(setting.name + suffix, `the file ${made.detail}`, setting.example);
  }
  return secret === undefined ? undefined : { kind: 'secret', clientId, secret };
}

/** The application of each cloud: its own variables where they are set, else the ones without a suffix. */
async function readApplications(
  reader: Reader,
  from: CredentialSettings,
  clouds: readonly string[],
): Promise<(cloud: string) => RegisteredApplication | undefined> {
  const one = async (suffix: string): Promise<RegisteredApplication | undefined> => {
    const clientId = reader.read(from.clientId, suffix);
    const faultsBefore = reader.faults.length;
    const credentials: Credential[] = [];
    for (const which of [suffix, `${suffix}_NEXT`]) {
      const credential = await readCredential(reader, from, clientId, which);
      if (credential) credentials.push(credential);
    }
    if (clientId === undefined) return undefined;
    if (credentials.length === 0 && reader.faults.length === faultsBefore) {
      reader.fault(
        from.certFile.name + suffix,
        `a credential is missing for ${from.clientId.name}${suffix}: certificate and key, or a secret`,
        from.certFile.example,
      );
    }
    return { clientId, credentials };
  };
  const shared = await one('');
  const own = new Map<string, RegisteredApplication | undefined>();
  for (const cloud of clouds) own.set(cloud, await one(cloudSuffix(cloud)));
  return (cloud) => own.get(cloud) ?? shared;
}

function readClouds(reader: Reader): ReadonlyMap<string, Cloud> {
  const builtIn = parseClouds({});
  const fallback = builtIn.ok ? builtIn.clouds : new Map<string, Cloud>();
  const text = reader.file(settings.cloudsFile);
  if (text === undefined) return fallback;
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    reader.fault(
      settings.cloudsFile.name,
      `the file is not JSON: ${(error as Error).message}`,
      settings.cloudsFile.example,
    );
    return fallback;
  }
  const parsed = parseClouds(json);
  if (parsed.ok) return parsed.clouds;
  for (const { path, message } of parsed.errors) {
    reader.fault(
      settings.cloudsFile.name,
      `${path === '' ? 'the file' : path}: ${message}`,
      settings.cloudsFile.example,
    );
  }
  return fallback;
}

/** Operators sign in at one cloud; without an application there, nobody could. */
async function readOperators(
  reader: Reader,
  plain: Pick<Settings, 'operatorAudience' | 'operatorCloud' | 'operatorTenants'>,
  clouds: readonly string[],
  connector: Config['connector'],
): Promise<Pick<Config, 'operatorAudiences' | 'operators'>> {
  const own = await readApplications(reader, operatorSettings, clouds);
  const operators = (cloud: string): RegisteredApplication | undefined => own(cloud) ?? connector(cloud);
  if (!clouds.includes(plain.operatorCloud)) {
    const { example, name } = settings.operatorCloud;
    reader.fault(name, `'${plain.operatorCloud}' is none of ${clouds.join(', ')}`, example);
  } else if (plain.operatorTenants.length > 0 && operators(plain.operatorCloud) === undefined) {
    const { example, name } = settings.operatorClientId;
    const problem = `is missing although ESPALIER_OPERATOR_TENANTS is set, and so is ESPALIER_ENTRA_CLIENT_ID for the cloud ${plain.operatorCloud}`;
    reader.fault(name, problem, example);
  }
  return {
    operators,
    operatorAudiences: (cloud) => {
      if (plain.operatorAudience.length > 0) return plain.operatorAudience;
      const clientId = operators(cloud)?.clientId;
      return clientId === undefined ? [] : [clientId, `api://${clientId}`];
    },
  };
}

/** Reports a setting's faults of its own form; what remains is its value, if it has none. */
function parsedSetting<T extends { readonly ok: true }>(
  reader: Reader,
  { example, name }: Setting<unknown>,
  result: T | { readonly ok: false; readonly errors: readonly string[] },
): T | undefined {
  if (result.ok) return result;
  for (const error of result.errors) reader.fault(name, error, example);
  return undefined;
}

/** Certificates by ACME need an authority, names, its terms, and a listener that speaks TLS. */
function readAcme(reader: Reader, plain: Settings): AcmeConfig | undefined {
  const { acmeDirectory, acmeNames } = plain;
  if (!reader.isSet(settings.acmeDirectory) && !reader.isSet(settings.acmeNames)) return undefined;
  for (const setting of [settings.acmeDirectory, settings.acmeNames, settings.acmeTerms])
    if (!reader.isSet(setting))
      reader.fault(setting.name, 'is missing although certificates by ACME are set', setting.example);
  if (plain.tls === 'off') {
    const problem = `is 'off', so that no certificate is of use, although ${settings.acmeNames.name} is set`;
    reader.fault(settings.tls.name, problem, 'on');
  }
  if (acmeDirectory === undefined) return undefined;
  const { acmeChallenge: challenge, acmeEmail: email, acmeListen: listen } = plain;
  return { directory: acmeDirectory, names: acmeNames, email, challenge, listen };
}

/** Settings that are of use only together. */
function checkPairs(reader: Reader, plain: Settings): void {
  if (plain.databaseUrl !== undefined && plain.secretsKey.length === 0) {
    reader.fault(
      settings.secretsKey.name,
      'is missing although DATABASE_URL is set',
      settings.secretsKey.example,
    );
  }
  if ((plain.tlsCertFile === undefined) !== (plain.tlsKeyFile === undefined)) {
    const missing = plain.tlsCertFile === undefined ? settings.tlsCertFile : settings.tlsKeyFile;
    reader.fault(missing.name, 'is missing although the other file of the pair is set', missing.example);
  }
}

/** Too few connections for so many processes would be more than are allowed. */
function checkConnections(reader: Reader, plain: Settings): void {
  const { databaseConnections, databaseUrl, processes } = plain;
  if (databaseUrl === undefined || processes === 'auto') return;
  const problem = connectionsProblem(databaseConnections, processes);
  if (problem === undefined) return;
  reader.fault(settings.databaseConnections.name, problem, String(processes * minDatabaseConnections));
}

/** What a balancer says counts only from one that is named. */
function checkBalancer(reader: Reader, plain: Settings): void {
  // A value that cannot be read has its own fault.
  const isUntrusting =
    plain.trustedProxies.length === 0 &&
    !reader.faults.some(({ variable }) => variable === settings.trustedProxies.name);
  const missing = (setting: Setting<unknown>, because: string): undefined =>
    reader.fault(setting.name, `is missing although ${because} is set`, setting.example);
  if (plain.proxyProtocol === 'required' && isUntrusting)
    missing(settings.trustedProxies, settings.proxyProtocol.name);
  if (plain.clientCertHeader === undefined) return;
  if (isUntrusting) missing(settings.trustedProxies, settings.clientCertHeader.name);
  if (plain.clientCaFile === undefined) missing(settings.clientCaFile, settings.clientCertHeader.name);
}

/** Reads and checks everything; all faults come back together. */
export async function loadConfig(source: ConfigSource): Promise<ConfigResult> {
  const reader = new Reader(source);
  const plain = Object.fromEntries(
    Object.entries(settings)
      .filter(([, setting]) => !('perCloud' in setting && setting.perCloud))
      .map(([key, setting]) => [key, reader.read(setting as Setting<unknown>)]),
  ) as unknown as Settings;

  const clouds = readClouds(reader);
  const names = [...clouds.keys()];
  const connector = await readApplications(reader, connectorSettings, names);
  const diagnostic = await readApplications(reader, diagnosticSettings, names);
  const operators = await readOperators(reader, plain, names, connector);
  const sharedUserApp = reader.read(settings.userAppClientId);
  const userApps = new Map(
    names.map((name) => [name, reader.read(settings.userAppClientId, cloudSuffix(name))]),
  );

  const upstreamAllow = plain.upstreamAllow.map(
    (entry) =>
      parseAllowEntry(entry) ??
      reader.fault(
        settings.upstreamAllow.name,
        `'${entry}' is neither a CIDR, an address nor a host name`,
        settings.upstreamAllow.example,
      ),
  );
  const versions = parsedSetting(
    reader,
    settings.partnerApiVersions,
    parseApiVersions(plain.partnerApiVersions),
  );
  checkPairs(reader, plain);
  checkBalancer(reader, plain);
  checkConnections(reader, plain);
  const acme = readAcme(reader, plain);
  const expected = parsedSetting(
    reader,
    settings.expectedPermissions,
    parseExpectedPermissions(plain.expectedPermissions),
  );
  const vocabulary = parsedSetting(
    reader,
    settings.intuneVocabulary,
    parseVocabulary(plain.intuneVocabulary),
  );
  const landing = parsedSetting(reader, settings.landingPaths, parseLandingPaths(plain.landingPaths));
  const clientCa = reader.file(settings.clientCaFile);

  if (reader.faults.length > 0 || !versions || !expected || !vocabulary || !landing)
    return { ok: false, faults: unique(reader.faults), clouds: names };
  const ownAudiences = plain.audience;
  return {
    ok: true,
    config: {
      ...plain,
      acme,
      clouds,
      clientCa,
      connector,
      diagnostic,
      ...operators,
      upstreamAllow: upstreamAllow.filter((entry) => entry !== undefined),
      partnerApiVersions: versions.versions,
      expectedPermissions: expected.expected,
      intuneVocabulary: vocabulary.vocabulary,
      landingPaths: landing.paths,
      userAppClientId: (cloud) => userApps.get(cloud) ?? sharedUserApp,
      effective: effectiveSettings(source.environment),
      audiences: (cloud) => {
        if (ownAudiences.length > 0) return ownAudiences;
        const clientId = connector(cloud)?.clientId;
        return clientId === undefined ? [] : [clientId];
      },
    },
  };
}

const unique = (faults: readonly ConfigFault[]): ConfigFault[] => [
  ...new Map(faults.map((fault) => [`${fault.variable} ${fault.problem}`, fault])).values(),
];

/** `espalier config`: what is in force, secrets masked, one `NAME=value` a line. */
export const describeConfig = ({ environment }: ConfigSource): string[] =>
  effectiveSettings(environment).map(({ default: unset, name, set, value }) =>
    set ? `${name}=${value}` : `${name}= # default: ${unset}`,
  );
