/** The whole look: what is selected, in which order, and how much at a time. */

import type { Config } from '../../runtime/config.ts';
import { cloudSuffix } from '../../runtime/config.ts';
import { type Inspection, openInspection } from '../../runtime/node-inspection.ts';
import { type Instance, instanceColumns } from '../../store/instances/instance.ts';
import { type Tenant, tenantColumns } from '../../store/tenants/tenant.ts';
import { type DoctorContext, instanceSubject, tenantSubject } from './context.ts';
import { type HostToProbe, hostSubject, macLine, probeHost, publicUrlLine } from './gather-hosts.ts';
import { instanceLines } from './gather-instance.ts';
import { machineLines } from './gather-machine.ts';
import { blockedBy, checkTenant, type TenantCheck } from './gather-tenant.ts';
import { inOrder, withDeadline } from './in-order.ts';
import { about, type Line } from './line.ts';
import { macHosts } from './macs.ts';

export interface DoctorSelection {
  readonly tenants: readonly string[];
  readonly clouds: readonly string[];
  /** Ids or names. */
  readonly instances: readonly string[];
}

export interface ExamineOptions {
  readonly config: Config;
  readonly environment: DoctorContext['environment'];
  readonly selection: DoctorSelection;
  readonly timeoutMs: number;
  readonly macs: boolean;
}

/** Something that was asked for by name is not there. */
export class NotSelectable extends Error {
  override readonly name = 'NotSelectable';
}

const atOnce = 8;
/** All steps of one subject together end after the time of so many single steps. */
const maxSteps = 12;

interface Rows {
  readonly tenants: readonly Tenant[];
  readonly instances: readonly Instance[];
}

async function readRows({ database, sql }: Inspection): Promise<Rows> {
  if (database.state !== 'there' || database.applied !== database.newest)
    return { tenants: [], instances: [] };
  const tenants = await sql<
    Tenant[]
  >`select ${tenantColumns(sql)} from tenants order by display_name, tenant_id`;
  const instances = await sql<Instance[]>`
    select ${instanceColumns(sql)} from instances where enabled order by name, tenant_id, instance_id`;
  return { tenants, instances };
}

/** An instance selects its tenant, a tenant its cloud. What is named and not there is an error: it would read as well. */
function select({ instances, tenants }: Rows, selection: DoctorSelection, config: Config): Rows {
  const unknown = (kind: string, name: string): never => {
    throw new NotSelectable(`there is no ${kind} ${name}`);
  };
  for (const name of selection.clouds) if (!config.clouds.has(name)) unknown('cloud', name);
  for (const id of selection.tenants)
    if (!tenants.some(({ tenantId }) => tenantId === id.toLowerCase())) unknown('tenant', id);
  const named = ({ instanceId, name }: Instance): boolean =>
    selection.instances.includes(name) || selection.instances.includes(instanceId);
  for (const one of selection.instances)
    if (!instances.some(({ instanceId, name }) => instanceId === one || name === one))
      unknown('enabled instance', one);
  const wanted = new Set(selection.tenants.map((id) => id.toLowerCase()));
  const ofTenants = tenants.filter(
    ({ cloud, tenantId }) =>
      (wanted.size === 0 || wanted.has(tenantId)) &&
      (selection.clouds.length === 0 || selection.clouds.includes(cloud)) &&
      (selection.instances.length === 0 || instances.some((one) => one.tenantId === tenantId && named(one))),
  );
  const ids = new Set(ofTenants.map(({ tenantId }) => tenantId));
  return {
    tenants: ofTenants,
    instances: instances.filter(
      (one) => ids.has(one.tenantId) && (selection.instances.length === 0 || named(one)),
    ),
  };
}

/** Clouds of the tenants, and those that an application is configured for by name; one for all clouds counts for the public one. */
function cloudsInUse(
  { config, environment, tenants }: DoctorContext,
  selection: DoctorSelection,
): readonly string[] {
  const ofTenants = tenants.map(({ cloud }) => cloud);
  const isSet = (suffix: string): boolean =>
    (environment[`ESPALIER_ENTRA_CLIENT_ID${suffix}`] ?? '').trim() !== '';
  const configured = [...config.clouds.keys()].filter((name) => isSet(cloudSuffix(name)));
  const shared = ofTenants.length === 0 && isSet('') ? ['public'] : [];
  const narrowed = selection.tenants.length > 0 || selection.instances.length > 0;
  const all = narrowed ? ofTenants : [...ofTenants, ...configured, ...shared];
  const chosen = selection.clouds.length > 0 ? [...all, ...selection.clouds] : all;
  return [...new Set(chosen)]
    .filter((name) => selection.clouds.length === 0 || selection.clouds.includes(name))
    .sort();
}

function applicationLine({ config, tenants }: DoctorContext, cloud: string): Line {
  const say = about('cloud.application', `cloud ${cloud}`);
  if (!config.clouds.has(cloud))
    return say.fail('no such cloud is configured', 'Add it to ESPALIER_CLOUDS_FILE.', 'configuration');
  const application = config.connector(cloud);
  if (application) {
    const many =
      application.credentials.length === 1
        ? 'one credential'
        : `${application.credentials.length} credentials`;
    return say.ok(`connector ${application.clientId}, ${many}`);
  }
  const needed = tenants.some(
    (tenant) => tenant.cloud === cloud && tenant.connectionType === 'cloud-connector',
  );
  if (!needed) return say.ok('no connector, and no tenant needs one');
  const name = `ESPALIER_ENTRA_CLIENT_ID${cloudSuffix(cloud)}`;
  return say.fail(
    'no connector application',
    `Register one in this cloud and set ${name} with its credential.`,
    'configuration',
  );
}

function hostsOf({ config }: DoctorContext, cloud: string): readonly HostToProbe[] {
  const known = config.clouds.get(cloud);
  if (!known) return [];
  const { authority, graph, jwks } = known;
  const entra = `Microsoft Entra ID, cloud ${cloud}`;
  const hosts: readonly HostToProbe[] = [
    [`${authority}/common/v2.0/.well-known/openid-configuration`, entra] as const,
    [`${graph}/v1.0/`, `Microsoft Graph, cloud ${cloud}`] as const,
    [jwks.replace('{tenantid}', 'common'), entra] as const,
  ].map(([url, service]) => ({ url, service, kind: 'microsoft', rule: 'configured' }));
  const byHost = new Map(hosts.toReversed().map((host) => [hostSubject(host.url), host]));
  return [...byHost.values()].toReversed();
}

const isLocal = (host: string): boolean => /^(localhost|127\.[\d.]+|\[::1\])$/i.test(host);

type Late = { readonly check: Line['check']; readonly subject: string };

/** A look that takes too long in all is a failure of its own, and the others go on. */
function bounded(
  context: DoctorContext,
  { check, subject }: Late,
  work: () => Promise<Line[]>,
): () => Promise<Line[]> {
  const ms = context.timeoutMs * maxSteps;
  const late = (): Line[] => [
    about(check, subject).fail(
      `no result within ${Math.round(ms / 1_000)} s`,
      'Look at it alone, with a larger --timeout.',
      'espalier',
    ),
  ];
  return () => withDeadline(ms, work, late);
}

async function hostsLines(
  context: DoctorContext,
  hosts: readonly HostToProbe[],
): Promise<ReadonlyMap<string, readonly Line[]>> {
  const work = hosts.map((host) =>
    bounded(context, { check: 'host.name', subject: hostSubject(host.url) }, async () => [
      ...(await probeHost(context, host)).lines,
    ]),
  );
  const results = await inOrder(atOnce, work);
  return new Map(hosts.map((host, at) => [hostSubject(host.url), results[at] ?? []]));
}

async function checkTenants(
  context: DoctorContext,
  ofHosts: ReadonlyMap<string, readonly Line[]>,
): Promise<readonly TenantCheck[]> {
  const work = context.tenants.map((tenant) => async (): Promise<TenantCheck> => {
    const hosts = hostsOf(context, tenant.cloud).map(({ url }) => hostSubject(url));
    const blocked = blockedBy(new Map(hosts.map((host) => [host, ofHosts.get(host) ?? []])));
    let services: readonly string[] = [];
    const lines = await bounded(
      context,
      { check: 'tenant.token', subject: tenantSubject(tenant) },
      async () => {
        const checked = await checkTenant(context, tenant, blocked);
        services = checked.services;
        return [...checked.lines];
      },
    )();
    return { lines, services };
  });
  return inOrder(atOnce, work);
}

const namedTenants = 3;

/** One look at each host of Intune, named after the tenants whose it is. */
function intuneHosts({ tenants }: DoctorContext, checks: readonly TenantCheck[]): readonly HostToProbe[] {
  const found = new Map<string, { readonly url: string; readonly of: Set<string> }>();
  for (const [at, { services }] of checks.entries())
    for (const url of services) {
      const host = found.get(hostSubject(url)) ?? { url, of: new Set() };
      host.of.add(tenants[at]?.displayName ?? '');
      found.set(hostSubject(url), host);
    }
  return [...found.values()]
    .toSorted((a, b) => a.url.localeCompare(b.url))
    .map(({ of, url }) => {
      const more = of.size > namedTenants ? ` and ${of.size - namedTenants} more` : '';
      const service = `Intune of ${[...of].slice(0, namedTenants).join(', ')}${more}`;
      return { url, service, kind: 'microsoft', rule: 'checked' };
    });
}

async function publicLines(context: DoctorContext): Promise<Line[]> {
  const url = context.config.publicUrl;
  const kind = isLocal(new URL(url).hostname) ? 'public-local' : 'public';
  return bounded(context, { check: 'public-url', subject: url }, async () => {
    const { lines } = await probeHost(context, { url: `${url}/`, kind, rule: 'configured' });
    return [...lines, await publicUrlLine(context, lines)];
  })();
}

async function check(context: DoctorContext, { macs, selection }: ExamineOptions): Promise<Line[]> {
  const machine = await machineLines(context);
  const publicOnes = await publicLines(context);
  const clouds = cloudsInUse(context, selection);
  const hosts = new Map(
    clouds.flatMap((cloud) => hostsOf(context, cloud)).map((host) => [hostSubject(host.url), host]),
  );
  const ofHosts = await hostsLines(context, [...hosts.values()]);
  const tenants = await checkTenants(context, ofHosts);
  const intune = await hostsLines(context, intuneHosts(context, tenants));
  const modes = new Map(context.tenants.map(({ mode, tenantId }) => [tenantId, mode]));
  const instances = await inOrder(
    atOnce,
    context.instances.map((instance) =>
      bounded(context, { check: 'instance.token', subject: instanceSubject(instance) }, () =>
        instanceLines(context, instance, modes.get(instance.tenantId) ?? 'device-compliance'),
      ),
    ),
  );
  const ofMacs = macs
    ? await inOrder(
        atOnce,
        macHosts(clouds).map((host) => () => macLine(context, host)),
      )
    : [];
  return [
    ...machine,
    ...publicOnes,
    ...clouds.map((cloud) => applicationLine(context, cloud)),
    ...[...ofHosts.values()].flat(),
    ...tenants.flatMap(({ lines }) => lines),
    ...[...intune.values()].flat(),
    ...instances.flat(),
    ...ofMacs,
  ];
}

export interface Examination {
  readonly context: DoctorContext;
  readonly lines: readonly Line[];
}

/** Looks at everything selected, then hands it to `use` while the database is still open. Throws `NotSelectable`. */
export async function examine<T>(
  options: ExamineOptions,
  use: (found: Examination) => Promise<T>,
): Promise<T> {
  const { config, environment, selection, timeoutMs } = options;
  const inspection = await openInspection(config, timeoutMs);
  try {
    const rows = await readRows(inspection);
    const away = inspection.database.state !== 'there';
    // Without the database nobody knows what is there: the line of the database says so.
    const selected = away ? rows : select(rows, selection, config);
    const context = { config, environment, inspection, timeoutMs, now: Date.now, ...selected };
    return await use({ context, lines: await check(context, options) });
  } finally {
    await inspection.close();
  }
}
