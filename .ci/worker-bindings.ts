import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { settings } from '../src/runtime/settings.ts';

/**
 * The configuration of both Workers in each of its environments: `node .ci/worker-bindings.ts`, which wrangler runs before it
 * deploys (`[build]`), prints a line for each fault and exits 1 when there is one. wrangler itself deploys an environment
 * that lacks a binding, for it may be meant; and no Worker can read the numbers of its rate limits.
 */

export const configs = ['wrangler.toml', 'wrangler.admin.toml'] as const;

interface RateLimitBinding {
  readonly name: string;
  readonly namespace_id: string;
  readonly simple: { readonly limit: number; readonly period: number };
}

/** Part of what wrangler makes of a configuration file for one environment. */
export interface WorkerConfig {
  readonly name?: string | undefined;
  readonly vars: Readonly<Record<string, unknown>>;
  readonly durable_objects: {
    readonly bindings: readonly { readonly name: string; readonly script_name?: string | undefined }[];
  };
  readonly ratelimits: readonly RateLimitBinding[];
  readonly r2_buckets: readonly { readonly bucket_name?: string | undefined }[];
  readonly route?: unknown;
  readonly routes?: unknown;
}

export interface Environment {
  /** Undefined: what is deployed without `--env`. */
  readonly name: string | undefined;
  readonly data: WorkerConfig;
  readonly admin: WorkerConfig;
}

/** The platform counts ten seconds or a minute; the Worker tells a caller to come again after ten. */
const periodSeconds = 10;
/** The most that a setting allows in a period: its rate, and the burst of twice the rate before it. */
const secondsAllowed = periodSeconds + 2;

const limited = { RATE_TENANT: settings.ratePerTenant, RATE_INSTANCE: settings.ratePerInstance };

/** Every binding and variable, whatever its kind. */
function bindingsOf({ vars, ...config }: WorkerConfig): Set<string> {
  const lists = [...Object.values(config), config.durable_objects.bindings].filter(Array.isArray);
  const named = lists.flat().map(({ binding, name }) => binding ?? name);
  return new Set([...Object.keys(vars), ...named.filter((name) => typeof name === 'string')]);
}

function missingFrom(config: WorkerConfig, standard: WorkerConfig): string[] {
  const own = bindingsOf(config);
  return [...bindingsOf(standard)]
    .filter((name) => !own.has(name))
    .map((name) => `lacks ${name}: an environment inherits no binding and no variable`);
}

const hasRoutes = ({ route, routes }: WorkerConfig): boolean =>
  route !== undefined || (Array.isArray(routes) && routes.length > 0);

const inherits = (config: WorkerConfig, standard: WorkerConfig): boolean =>
  hasRoutes(standard) &&
  JSON.stringify([config.route, config.routes]) === JSON.stringify([standard.route, standard.routes]);

function rateFaults({ ratelimits, vars }: WorkerConfig): string[] {
  return ratelimits.flatMap(({ name, simple }) => {
    const setting = limited[name as keyof typeof limited];
    if (setting === undefined)
      return [`binds the rate limit ${name}, and there are only ${Object.keys(limited).join(' and ')}`];
    const perSecond = setting.schema.safeParse(vars[setting.name]);
    if (!perSecond.success) return [`${setting.name} is no number that is allowed, as text in quotes`];
    const limit = Math.ceil(perSecond.data * secondsAllowed);
    if (simple.period === periodSeconds && simple.limit === limit) return [];
    return [
      `${name} allows ${simple.limit} in ${simple.period} seconds; with ${setting.name} = ${perSecond.data} it has to be ` +
        `simple = { limit = ${limit}, period = ${periodSeconds} }`,
    ];
  });
}

const givenTwice = (all: readonly string[]): Set<string> =>
  new Set(all.filter((one, at) => all.indexOf(one) !== at));

/** One counter for two limits would let each use up the other's, and one bucket holds the snapshot of one gateway. */
function sharedNames(environments: readonly Environment[]): string[] {
  const all = environments.flatMap(({ admin, data }) => [...data.ratelimits, ...admin.ratelimits]);
  const buckets = environments.flatMap(({ data }) => data.r2_buckets.map((one) => one.bucket_name ?? ''));
  return [
    ...[...givenTwice(all.map((one) => one.namespace_id))].map(
      (id) => `the rate limits' namespace_id ${id} is given twice`,
    ),
    ...[...givenTwice(buckets)].map((name) => `the bucket ${name} is given to two environments`),
  ];
}

const wrongObjects = ({ admin, data }: Environment): string[] =>
  admin.durable_objects.bindings
    .filter(({ script_name }) => script_name !== data.name)
    .map(
      ({ name }) =>
        `${name} has to be an object of the Worker that is deployed beside it: script_name = "${data.name}"`,
    );

/** The first is production, with which the others are compared. */
export function faultsOf(environments: readonly Environment[]): string[] {
  const [production] = environments;
  if (production === undefined) return [];
  const faults = environments.flatMap((environment) => {
    const { admin, data, name } = environment;
    const ofConfig = (which: 'data' | 'admin'): string[] => {
      const config = environment[which];
      const beside = name === undefined ? [] : missingFrom(config, production[which]);
      const routes =
        name !== undefined && inherits(config, production[which])
          ? [`has the routes of production: give it routes of its own, or routes = []`]
          : [];
      return [...beside, ...routes, ...rateFaults(config)];
    };
    const where = name === undefined ? '' : ` [env.${name}]`;
    return [
      ...ofConfig('data').map((fault) => `${configs[0]}${where}: ${fault}`),
      ...[...ofConfig('admin'), ...wrongObjects({ name, data, admin })].map(
        (fault) => `${configs[1]}${where}: ${fault}`,
      ),
    ];
  });
  return [...faults, ...sharedNames(environments)];
}

/** Of the configuration files of this checkout. */
export async function readEnvironments(): Promise<Environment[]> {
  // It is a large program, whose types are those of packages that are not installed.
  const { unstable_readConfig: read } = (await import('wrangler')) as unknown as {
    unstable_readConfig(
      of: { readonly config: string; readonly env: string | undefined },
      how: { readonly hideWarnings: boolean },
    ): WorkerConfig & { readonly definedEnvironments?: readonly string[] };
  };
  const readBoth = (env: string | undefined) => {
    const [data, admin] = configs.map((file) =>
      read({ config: join(import.meta.dirname, '..', file), env }, { hideWarnings: true }),
    );
    if (data === undefined || admin === undefined) throw new Error('there are two Workers');
    return { name: env, data, admin };
  };
  const production = readBoth(undefined);
  const names = [production.data, production.admin].flatMap(
    ({ definedEnvironments = [] }) => definedEnvironments,
  );
  return [production, ...[...new Set(names)].map(readBoth)];
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  for (const fault of faultsOf(await readEnvironments())) {
    process.stderr.write(`${fault}\n`);
    process.exitCode = 1;
  }
}
