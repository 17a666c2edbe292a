import type { Authority } from '../authority.ts';
import type { Directory } from '../directory.ts';
import { type Host, type HostOptions, startHost } from '../host.ts';
import { type Applications, createApplications } from './applications.ts';
import { claimedTenant } from './bearer.ts';
import { browsePartnerPage, type PageVisit, type VisitResult } from './browser.ts';
import { type CompanyPortalAnswer, probeCompanyPortal } from './company-portal.ts';
import type { CloudContext, MicrosoftWorld } from './context.ts';
import { createEntraApp } from './entra.ts';
import { createGraphApp } from './graph.ts';
import { createGraphSubscriptions, type GraphSubscriptions } from './graph-subscriptions.ts';
import { createIntuneApp } from './intune.ts';
import { createIntuneState, type IntuneState, type PartnerState } from './intune-state.ts';
import { createSigningKeys, type SigningKeys } from './keys.ts';
import { connectionState, endConnection, sweepEndedConnections } from './partner-lifecycle.ts';
import { type CloudSettings, createCloudSettings } from './settings.ts';
import { createUploadProcessor, type UploadProcessor } from './upload-processing.ts';

export interface MicrosoftCloudOptions {
  /** The cloud's name, part of the services' names in journal and faults (`entra:<name>`). */
  readonly name: string;
  readonly world: MicrosoftWorld;
  readonly directory: Directory;
  readonly authority: Authority;
  /** 0, the default, picks a free one. */
  readonly ports?: { readonly entra?: number; readonly graph?: number; readonly intune?: number };
  /** Before the service names in discovered paths; default `Stateless`. */
  readonly intuneServicePath?: string;
  /** Issuer templates with `{tenantid}`; v2 defaults to the token host, which China's cloud differs from. */
  readonly issuers?: { readonly v1?: string; readonly v2?: string };
  /** Clock that client assertions are held against, milliseconds; default the real one. */
  readonly callerNow?: () => number;
}

/** One cloud's entry of the clouds file: contract.md 4. */
export interface CloudsFileEntry {
  readonly authority: string;
  readonly issuer: string;
  readonly issuerV1: string;
  readonly graph: string;
  readonly intuneScope: string;
  readonly intuneHosts: readonly string[];
  readonly intunePort: number;
  readonly jwks: string;
  readonly portal: string;
}

export interface MicrosoftCloud {
  readonly name: string;
  readonly origins: { readonly entra: string; readonly graph: string; readonly intune: string };
  readonly context: CloudContext;
  readonly applications: Applications;
  readonly settings: CloudSettings;
  readonly keys: SigningKeys;
  readonly intune: IntuneState;
  /** Subscriptions to change notifications. */
  readonly subscriptions: GraphSubscriptions;
  /** Does what is due: processes uploads and makes finished ones visible in the directory. */
  settle(): void;
  /** State as Graph names it. */
  partnerState(tenantId: string): PartnerState;
  /** The administrator's "Terminate" in Intune: domain/microsoft.md 4.6. */
  terminate(tenantId: string): void;
  /** A user's browser on its way to the partner's pages: domain/microsoft.md 7. */
  browse(tenantId: string, visit: PageVisit): Promise<VisitResult>;
  /** Answers the Company Portal's question before it registers a Mac; undefined for an unknown user. */
  companyPortal(tenantId: string, userId: string): CompanyPortalAnswer | undefined;
  cloudsFileEntry(): CloudsFileEntry;
  close(): Promise<void>;
}

const placeholder = '{tenantid}';

function cloudsFileEntry(context: CloudContext): CloudsFileEntry {
  const { entra, graph, intune } = context.addresses;
  return {
    authority: entra,
    issuer: context.issuer(2, placeholder),
    issuerV1: context.issuer(1, placeholder),
    graph,
    // The resource ends with a slash of its own: two in a row (domain/microsoft.md 1.2).
    intuneScope: `${context.intuneResource}/.default`,
    intuneHosts: ['127.0.0.1'],
    intunePort: Number(new URL(intune).port),
    jwks: `${entra}/${placeholder}/discovery/v2.0/keys`,
    portal: `https://intune.${context.name}.simulated.test`,
  };
}

async function createContext(options: MicrosoftCloudOptions): Promise<CloudContext> {
  const { name } = options;
  const addresses = { entra: '', graph: '', intune: '' };
  return {
    name,
    world: options.world,
    directory: options.directory,
    applications: createApplications(),
    settings: createCloudSettings(),
    keys: await createSigningKeys(),
    addresses,
    authorityPem: options.authority.certificatePem,
    intuneResource: `https://api.manage.${name}.simulated.test/`,
    intuneServicePrefix: options.intuneServicePath ?? 'Stateless',
    issuer: (version, tenantId) => {
      const template =
        version === 1
          ? (options.issuers?.v1 ?? `https://sts.${name}.simulated.test/${placeholder}/`)
          : (options.issuers?.v2 ?? `${addresses.entra}/${placeholder}/v2.0`);
      return template.replace(placeholder, tenantId);
    },
    callerNow: options.callerNow ?? Date.now,
  };
}

async function startHosts(
  options: MicrosoftCloudOptions,
  context: CloudContext,
  intune: IntuneState,
  processor: UploadProcessor,
  subscriptions: GraphSubscriptions,
): Promise<Host[]> {
  const { name, world, ports } = options;
  const certificate = await options.authority.issue(['localhost', '127.0.0.1']);
  const pathTenant = (path: string): string | undefined => {
    const segment = path.split('/')[1];
    return segment === 'common' || segment === 'organizations' ? undefined : segment;
  };
  const tokenTenant: HostOptions['tenantOf'] = (c) => claimedTenant(c.req.header('authorization'));
  return Promise.all([
    startHost({
      service: `entra:${name}`,
      app: createEntraApp(context),
      tenantOf: (c) => pathTenant(c.req.path),
      certificate,
      port: ports?.entra ?? 0,
      world,
    }),
    startHost({
      service: `graph:${name}`,
      app: createGraphApp(context, processor.settle, intune, subscriptions),
      tenantOf: tokenTenant,
      certificate,
      port: ports?.graph ?? 0,
      world,
    }),
    startHost({
      service: `intune:${name}`,
      app: createIntuneApp(context, intune, processor),
      tenantOf: tokenTenant,
      certificate,
      port: ports?.intune ?? 0,
      world,
    }),
  ]);
}

/** Starts the Entra, Graph and Intune doubles of one national cloud, each on its own TLS port. */
export async function startMicrosoftCloud(options: MicrosoftCloudOptions): Promise<MicrosoftCloud> {
  const { name } = options;
  const context = await createContext(options);
  const intune = createIntuneState();
  const uploads = createUploadProcessor(context, intune);
  const settle = (): void => {
    uploads.settle();
    sweepEndedConnections(context, intune);
  };
  const processor = { accept: uploads.accept, settle };
  const subscriptions = createGraphSubscriptions(context);
  const hosts = await startHosts(options, context, intune, processor, subscriptions);
  const [entra = '', graph = '', intuneOrigin = ''] = hosts.map(({ origin }) => origin);
  Object.assign(context.addresses, { entra, graph, intune: intuneOrigin });
  context.world.authorities?.set(name, entra);
  return {
    name,
    origins: { entra, graph, intune: intuneOrigin },
    context,
    applications: context.applications,
    settings: context.settings,
    keys: context.keys,
    intune,
    subscriptions,
    settle,
    partnerState: (tenantId) => connectionState(context, intune.tenant(tenantId)),
    terminate: (tenantId) =>
      endConnection(intune.tenant(tenantId), context.world.clock.now(), 'administrator'),
    browse: (tenantId, visit) => browsePartnerPage(context, intune.tenant(tenantId), visit),
    companyPortal: (tenantId, userId) => probeCompanyPortal(context, intune.tenant(tenantId), userId),
    cloudsFileEntry: () => cloudsFileEntry(context),
    close: async () => {
      await subscriptions.close();
      await Promise.all(hosts.map((host) => host.close()));
    },
  };
}
