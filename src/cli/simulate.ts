import { randomBytes } from 'node:crypto';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';
import { lockDirectory } from '../runtime/node-directory-lock.ts';
import type { ClientCertificate } from '../simulator/client-certificate.ts';
import { startControl } from '../simulator/control.ts';
import { gatewayEnvironment, gatewayFileNames, gatewayFiles } from '../simulator/gateway-settings.ts';
import type { Host } from '../simulator/host.ts';
import { manyTenants } from '../simulator/many-tenants.ts';
import {
  createWorld,
  demoTenants,
  type World,
  type WorldOptions,
  type WorldTenantOptions,
} from '../simulator/world.ts';

/** `espalier simulate`: the outside world on its own, for a gateway that somebody else starts. */
export interface SimulateArguments {
  /** Default: `.espalier-simulator`. */
  readonly dataDir?: string | undefined;
  readonly seed?: number | undefined;
  /** Macs of the whole fleet. */
  readonly macs?: number | undefined;
  /** Shared out evenly; default of both: the demo's two tenants with four instances. */
  readonly tenants?: number | undefined;
  readonly instances?: number | undefined;
  /** The control API's port; the services count up from the next one. Default: free ones. */
  readonly portBase?: number | undefined;
  /** The gateway's URL, for the applications' redirect addresses. */
  readonly publicUrl?: string | undefined;
  /** The URL of its admin listener, for the operators' sign-in. */
  readonly adminUrl?: string | undefined;
  /** True where only the ready line is printed, no text for people. */
  readonly json?: boolean | undefined;
  /** The Macs do nothing by themselves. */
  readonly quietFleet?: boolean | undefined;
}

const authorityKeyFile = 'ca.key';
const environmentFile = 'gateway.env';
const bootstrapKeyFile = 'bootstrap-key';

async function readOptional(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

async function writeOwn(path: string, content: string, secret: boolean): Promise<void> {
  const mode = secret ? 0o600 : 0o644;
  await writeFile(path, content, { mode });
  // The mode above counts only for a file that is new.
  await chmod(path, mode);
}

/** Files that an earlier run left and a later one must keep: a running gateway trusts and uses it. */
async function readSaved(
  dir: string,
  clouds: readonly string[],
): Promise<Pick<WorldOptions, 'authority' | 'certificates'>> {
  const pair = async (certificate: string, key: string): Promise<ClientCertificate | undefined> => {
    const certificatePem = await readOptional(join(dir, certificate));
    const keyPem = await readOptional(join(dir, key));
    return certificatePem !== undefined && keyPem !== undefined ? { certificatePem, keyPem } : undefined;
  };
  const names = gatewayFileNames;
  const certificates = new Map<string, ClientCertificate>();
  for (const cloud of clouds) {
    const saved = await pair(names.connectorCertificate(cloud), names.connectorKey(cloud));
    if (saved) certificates.set(cloud, saved);
  }
  return { authority: await pair(names.authority, authorityKeyFile), certificates };
}

/** One `NAME=value` a line, values quoted so that a shell and a `.env` reader both take them. */
function environmentText(variables: Readonly<Record<string, string>>): string {
  const lines = Object.entries(variables).map(([name, value]) => `${name}="${value}"`);
  const head = [
    '# A gateway for this simulated world, written by "espalier simulate".',
    '# NODE_EXTRA_CA_CERTS has to be in the environment before the process starts: set -a; . gateway.env',
  ];
  return `${[...head, ...lines].join('\n')}\n`;
}

async function writeFiles(dir: string, world: World): Promise<void> {
  const pathOf = (file: string): string => join(dir, file);
  for (const [file, { content, secret }] of gatewayFiles(world)) {
    await writeOwn(pathOf(file), content, secret);
  }
  await writeOwn(pathOf(authorityKeyFile), world.authority.keyPem, true);
  const bootstrapKey =
    (await readOptional(pathOf(bootstrapKeyFile)))?.trim() || `esp_${randomBytes(32).toString('base64url')}`;
  await writeOwn(pathOf(bootstrapKeyFile), bootstrapKey, true);
  const variables = { ...gatewayEnvironment(world, pathOf), ESPALIER_BOOTSTRAP_KEY: bootstrapKey };
  await writeOwn(pathOf(environmentFile), environmentText(variables), true);
}

function describe(dir: string, world: World, control: string): string {
  const at = relative(process.cwd(), dir) || '.';
  const lines = [
    `Simulated world, seed ${world.seed}, ${world.fleet.macs().length} Macs; files in ${at}`,
    '',
    ...world.clouds.map(
      ({ name, origins }) =>
        `  cloud ${name.padEnd(10)} ${origins.entra}  ${origins.graph}  ${origins.intune}`,
    ),
    ...world.tenants.flatMap((tenant) => [
      `  tenant ${tenant.tenantId}  ${tenant.displayName} in ${tenant.cloud}`,
      ...tenant.instances.map((name) => {
        const { clientId, computers, url } = world.instance(name);
        return `    ${name.padEnd(10)} ${url}  ${computers.size()} Macs  client ${clientId}  secret in ${join(at, gatewayFileNames.instanceSecret(name))}`;
      }),
    ]),
    `  operators ${world.operators.tenantId}  in ${world.operators.cloud}: ${world.operators.people.map(({ userPrincipalName }) => userPrincipalName).join(', ')}`,
    `  control ${control}/control`,
    '',
    'A gateway for it, in another terminal:',
    `  set -a; . ${join(at, environmentFile)}; set +a; npm run -s espalier -- serve`,
    'What there is, and every device as it truly is:',
    `  curl --cacert ${join(at, gatewayFileNames.authority)} ${control}/control/world`,
    `  curl --cacert ${join(at, gatewayFileNames.authority)} ${control}/control/fleet/truth`,
    'A fault: the next five calls to Intune are throttled:',
    `  curl --cacert ${join(at, gatewayFileNames.authority)} ${control}/control/faults -d '{"service":"intune","status":429,"headers":{"retry-after":"5"},"times":5}'`,
    '',
  ];
  return `${lines.join('\n')}\n`;
}

interface Running {
  readonly world: World;
  readonly control: Host;
}

const macsOfMany = 200;

function tenantsOf({ instances, macs, tenants }: SimulateArguments): WorldTenantOptions[] {
  if (tenants === undefined && instances === undefined) return demoTenants(macs);
  const count = tenants ?? 1;
  return manyTenants(count, instances ?? count, macs ?? macsOfMany);
}

async function start(args: SimulateArguments, dir: string): Promise<Running> {
  const { adminUrl, portBase = 0, publicUrl, seed } = args;
  const tenants = tenantsOf(args);
  const clouds = [...new Set(tenants.flatMap(({ cloud }) => (cloud === undefined ? [] : [cloud])))];
  const world = await createWorld({
    ...(await readSaved(dir, clouds)),
    ...{ seed, clouds, tenants, publicUrl, adminUrl },
    portBase: portBase === 0 ? 0 : portBase + 1,
  });
  try {
    const control = await startControl(world, { port: portBase, pathOf: (file) => join(dir, file) });
    await writeFiles(dir, world);
    return { world, control };
  } catch (error) {
    await world.close();
    throw error;
  }
}

const stopSignal = (): Promise<void> =>
  new Promise((stop) => {
    process.once('SIGTERM', stop);
    process.once('SIGINT', stop);
    process.once('SIGHUP', stop);
  });

/**
 * Runs until SIGTERM or SIGINT and resolves to the exit code. Rejects when a port is taken or the data directory
 * cannot be written.
 */
export async function runSimulate(args: SimulateArguments = {}): Promise<number> {
  const stopped = stopSignal();
  const dir = resolve(args.dataDir ?? '.espalier-simulator');
  await mkdir(dir, { recursive: true });
  const unlock = lockDirectory(dir);
  const { control, world } = await start(args, dir);
  if (!args.quietFleet) world.fleet.start();
  if (!args.json) process.stdout.write(describe(dir, world, control.origin));
  if (args.json || !process.stdout.isTTY) {
    const ready = {
      event: 'ready',
      seed: world.seed,
      control: `${control.origin}/control`,
      ca: join(dir, gatewayFileNames.authority),
      environment: join(dir, environmentFile),
    };
    process.stdout.write(`${JSON.stringify(ready)}\n`);
  }
  await stopped;
  await control.close();
  await world.close();
  unlock();
  return 0;
}
