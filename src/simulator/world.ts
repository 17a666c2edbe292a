import { type Authority, createAuthority } from './authority.ts';
import { type ClientCertificate, makeClientCertificate } from './client-certificate.ts';
import { type Clock, createClock } from './clock.ts';
import { createDirectory, type Directory } from './directory.ts';
import { createFaults, type Faults } from './faults.ts';
import { type AddMacs, createFleet, type Fleet } from './fleet.ts';
import { type JamfInstance, type JamfInstanceOptions, startJamfInstance } from './jamf/instance.ts';
import { createJournal, type Journal } from './journal.ts';
import { type CloudsFileEntry, type MicrosoftCloud, startMicrosoftCloud } from './microsoft/cloud.ts';
import { createRandom, type Random } from './random.ts';
import { grantHelpers, registerApplications, type WorldApplications } from './world-applications.ts';
import { addOperators, type WorldOperators } from './world-operators.ts';

/** A Jamf Pro server to start, with its share of the fleet. */
export interface WorldInstanceOptions
  extends Pick<JamfInstanceOptions, 'version' | 'contextPath' | 'tokenLifetimeSeconds'>,
    Pick<AddMacs, 'compliantShare' | 'unregisteredShare' | 'twoUsersShare'> {
  /** Unique in the world: the journal's and the faults' `jamf:<name>`. */
  readonly name: string;
  readonly macs: number;
}

export interface WorldTenantOptions {
  /** Id in lower case; default: from the seed. */
  readonly tenantId?: string;
  /** One of `clouds`; default: the first of them. */
  readonly cloud?: string;
  readonly displayName?: string;
  /** false: not licensed. */
  readonly hasIntune?: boolean;
  readonly instances: readonly WorldInstanceOptions[];
}

export interface WorldOptions {
  /** Ids, people and Macs follow from it; default: 1. */
  readonly seed?: number;
  /** Names as in the clouds file, where they override the built-in ones; default: `public` and `usgov`. */
  readonly clouds?: readonly string[];
  /** Default: the demo's two tenants. */
  readonly tenants?: readonly WorldTenantOptions[];
  /** Base URL of the gateway, for the applications' redirect addresses; default: `https://localhost:8443`. */
  readonly publicUrl?: string;
  /** Base URL of its admin listener, for the operators' application; default: `https://localhost:9443`. */
  readonly adminUrl?: string;
  /** A saved authority, so that trust outlives a restart. */
  readonly authority?: { readonly certificatePem: string; readonly keyPem: string };
  /** Saved certificates of the connector application, by cloud; made new where missing. */
  readonly certificates?: ReadonlyMap<string, ClientCertificate>;
  /**
   * Ports count up from here: three for each cloud (Entra, Graph, Intune), then one for each instance. Free ones
   * by default and if 0.
   */
  readonly portBase?: number;
}

export interface WorldTenant {
  readonly tenantId: string;
  readonly cloud: string;
  readonly displayName: string;
  /** Names. */
  readonly instances: readonly string[];
}

/** The outside world: Microsoft's clouds, Jamf Pro servers and a fleet of Macs, on real TLS sockets. */
export interface World {
  readonly seed: number;
  readonly publicUrl: string;
  readonly adminUrl: string;
  readonly clouds: readonly MicrosoftCloud[];
  readonly tenants: readonly WorldTenant[];
  /** Instances by name. */
  readonly instances: ReadonlyMap<string, JamfInstance>;
  /** Applications by cloud. */
  readonly applications: ReadonlyMap<string, WorldApplications>;
  /** Operators in the first cloud. */
  readonly operators: WorldOperators;
  readonly fleet: Fleet;
  readonly directory: Directory;
  readonly journal: Journal;
  readonly faults: Faults;
  readonly clock: Clock;
  /** Random numbers of the fleet; those that the services draw at run time do not disturb it. */
  readonly random: Random;
  readonly authority: Authority;
  /** Throws for a cloud that the world does not have. */
  cloud(name: string): MicrosoftCloud;
  /** Throws for an instance that the world does not have. */
  instance(name: string): JamfInstance;
  /** The object of a clouds file: contract.md 4. */
  cloudsFile(): Record<string, CloudsFileEntry>;
  close(): Promise<void>;
}

const demoShares = [60, 60, 40, 40] as const;

/**
 * The demo's tenants: two in two clouds, three instances on the first, whose computer ids collide, one on the
 * second. `macs` in all (default: 200) are shared out 3 : 3 : 2 : 2.
 */
export function demoTenants(macs = 200): WorldTenantOptions[] {
  const total = demoShares.reduce((sum, share) => sum + share, 0);
  let given = 0;
  let shares = 0;
  const counts = demoShares.map((share) => {
    shares += share;
    const upTo = Math.round((macs * shares) / total);
    const count = upTo - given;
    given = upTo;
    return count;
  });
  const [berlin = 0, paris = 0, tokyo = 0, boston = 0] = counts;
  return [
    {
      cloud: 'public',
      displayName: 'Contoso',
      instances: [
        { name: 'berlin', macs: berlin },
        { name: 'paris', macs: paris },
        { name: 'tokyo', macs: tokyo },
      ],
    },
    { cloud: 'usgov', displayName: 'Fabrikam', instances: [{ name: 'boston', macs: boston }] },
  ];
}

/** The API client's secret, as its administrator saw it once. Throws when the client is gone. */
export function clientSecretOf(instance: JamfInstance): string {
  const client = instance.tokens.clients.get(instance.clientId);
  if (!client) throw new RangeError(`instance ${instance.name} has no client ${instance.clientId}`);
  return client.clientSecret;
}

interface Base
  extends Pick<World, 'seed' | 'publicUrl' | 'adminUrl' | 'directory' | 'journal' | 'faults' | 'clock'> {
  readonly options: WorldOptions;
  readonly authority: Authority;
  /** Random numbers for the fleet and everything that is made at the start. */
  readonly random: Random;
  /** Random numbers for the running services: the order of requests must not change the fleet. */
  readonly serviceRandom: Random;
  readonly nextPort: () => number;
  readonly closers: (() => Promise<void>)[];
}

async function createBase(options: WorldOptions): Promise<Base> {
  const { seed = 1, publicUrl = 'https://localhost:8443', portBase = 0 } = options;
  const { adminUrl = 'https://localhost:9443' } = options;
  const clock = createClock();
  const serviceRandom = createRandom(seed ^ 0x5eed_5eed);
  let ports = 0;
  return {
    options,
    seed,
    publicUrl: publicUrl.replace(/\/+$/, ''),
    adminUrl: adminUrl.replace(/\/+$/, ''),
    clock,
    directory: createDirectory(clock.now),
    journal: createJournal(),
    faults: createFaults(serviceRandom),
    authority: await createAuthority(options.authority),
    random: createRandom(seed),
    serviceRandom,
    nextPort: () => {
      ports += 1;
      return portBase === 0 ? 0 : portBase + ports - 1;
    },
    closers: [],
  };
}

async function startClouds(base: Base, names: readonly string[]): Promise<MicrosoftCloud[]> {
  const { authority, clock, closers, directory, faults, journal, nextPort, serviceRandom } = base;
  const authorities = new Map<string, string>();
  const world = { clock, random: serviceRandom, faults, journal, authorities };
  const starting = names.map(async (name) => {
    const ports = { entra: nextPort(), graph: nextPort(), intune: nextPort() };
    const cloud = await startMicrosoftCloud({ name, world, directory, authority, ports });
    closers.push(cloud.close);
    return cloud;
  });
  // Wait for all of them also when one fails: what has started must be known in order to be closed.
  const started = await Promise.allSettled(starting);
  return started.map((result) => {
    if (result.status === 'rejected') throw result.reason;
    return result.value;
  });
}

async function registerAll(
  base: Base,
  clouds: readonly MicrosoftCloud[],
): Promise<Map<string, WorldApplications>> {
  const { options, publicUrl, random } = base;
  const certificates = await Promise.all(
    clouds.map(({ name }) => options.certificates?.get(name) ?? makeClientCertificate(`connector ${name}`)),
  );
  const applications = new Map<string, WorldApplications>();
  for (const [index, cloud] of clouds.entries()) {
    const certificate = certificates[index];
    if (!certificate) continue;
    applications.set(cloud.name, registerApplications(cloud, { random, certificate, publicUrl }));
  }
  return applications;
}

function addTenants(
  base: Base,
  clouds: readonly MicrosoftCloud[],
  applications: ReadonlyMap<string, WorldApplications>,
  wanted: readonly WorldTenantOptions[],
): WorldTenant[] {
  return wanted.map((options, index) => {
    const name = options.cloud ?? clouds[0]?.name ?? '';
    const cloud = clouds.find((one) => one.name === name);
    const registered = applications.get(name);
    if (!cloud || !registered) throw new RangeError(`the simulated world has no cloud ${name}`);
    const tenant = base.directory.addTenant({
      tenantId: options.tenantId ?? base.random.guid(),
      cloud: name,
      displayName: options.displayName ?? `Tenant ${index + 1}`,
      hasIntune: options.hasIntune,
    });
    grantHelpers(cloud, tenant, registered);
    return {
      tenantId: tenant.tenantId,
      cloud: name,
      displayName: tenant.displayName,
      instances: options.instances.map((instance) => instance.name),
    };
  });
}

/** One after the other: what each draws from the seed must not depend on which socket listens first. */
async function startInstances(
  base: Base,
  wanted: readonly WorldTenantOptions[],
): Promise<Map<string, JamfInstance>> {
  const certificate = await base.authority.issue(['localhost', '127.0.0.1']);
  const instances = new Map<string, JamfInstance>();
  for (const options of wanted.flatMap((tenant) => tenant.instances)) {
    const { contextPath, name, tokenLifetimeSeconds, version } = options;
    if (instances.has(name)) throw new RangeError(`two instances are named ${name}`);
    const instance = await startJamfInstance({
      name,
      world: base,
      certificate,
      port: base.nextPort(),
      random: base.serviceRandom,
      version,
      tokenLifetimeSeconds,
      contextPath,
    });
    base.closers.push(instance.close);
    instances.set(name, instance);
  }
  return instances;
}

const found = <T>(thing: T | undefined, what: string, name: string): T => {
  if (thing === undefined) throw new RangeError(`the simulated world has no ${what} ${name}`);
  return thing;
};

async function populate(base: Base): Promise<World> {
  const { options, random, clock, directory } = base;
  const wanted = options.tenants ?? demoTenants();
  const clouds = await startClouds(base, options.clouds ?? ['public', 'usgov']);
  const applications = await registerAll(base, clouds);
  const tenants = addTenants(base, clouds, applications, wanted);
  const [home] = clouds;
  if (!home) throw new RangeError('the simulated world has no cloud');
  const operators = addOperators(home, directory, base);
  const instances = await startInstances(base, wanted);
  const fleet = createFleet({ random, clock, directory, instances });
  base.closers.push(async () => fleet.stop());
  for (const [index, { tenantId }] of tenants.entries()) {
    for (const { name, macs, ...shares } of wanted[index]?.instances ?? []) {
      const { compliantShare, unregisteredShare, twoUsersShare } = shares;
      fleet.addMacs({
        tenantId,
        instance: name,
        count: macs,
        compliantShare,
        unregisteredShare,
        twoUsersShare,
      });
    }
  }
  const { adminUrl, authority, closers, faults, journal, publicUrl, seed } = base;
  return {
    ...{ seed, publicUrl, adminUrl, clouds, tenants, instances, applications, operators, fleet },
    ...{ directory, journal, faults, clock, random, authority },
    cloud: (name) =>
      found(
        clouds.find((cloud) => cloud.name === name),
        'cloud',
        name,
      ),
    instance: (name) => found(instances.get(name), 'instance', name),
    cloudsFile: () => Object.fromEntries(clouds.map((cloud) => [cloud.name, cloud.cloudsFileEntry()])),
    close: () => closeAll(closers),
  };
}

/** The last started first, so that the fleet is quiet before its servers go. */
async function closeAll(closers: (() => Promise<void>)[]): Promise<void> {
  const [fleet, ...services] = closers.splice(0).reverse();
  await fleet?.();
  await Promise.all(services.map((close) => close()));
}

/**
 * Starts a simulated world; without options the demo's. Worlds of one seed and one shape have the same ids.
 * Rejects when a port is taken; nothing is left running then. Throws `RangeError` for an unknown cloud or two
 * instances of one name.
 */
export async function createWorld(options: WorldOptions = {}): Promise<World> {
  const base = await createBase(options);
  try {
    return await populate(base);
  } catch (error) {
    await closeAll(base.closers);
    throw error;
  }
}
