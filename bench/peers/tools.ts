import { execFileSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { availableParallelism, release, totalmem } from 'node:os';

/** The programs of other makers that the peers are made of: Debian's packages, as they are. */

/** Something that only the machine's owner can add; the bench ends with exit code 2. */
export class ToolsMissing extends Error {
  override readonly name = 'ToolsMissing';
}

interface Tool {
  readonly command: string;
  readonly debianPackage: string;
  readonly versionArguments: readonly string[];
  readonly versionPattern: RegExp;
}

const tools: readonly Tool[] = [
  {
    command: 'haproxy',
    debianPackage: 'haproxy',
    versionArguments: ['-v'],
    versionPattern: /HAProxy version (\S+)/,
  },
  {
    command: 'nginx',
    debianPackage: 'nginx',
    versionArguments: ['-v'],
    versionPattern: /nginx version: nginx\/(\S+)/,
  },
  { command: 'wrk', debianPackage: 'wrk', versionArguments: ['-v'], versionPattern: /^wrk (\S+)/ },
  {
    command: 'taskset',
    debianPackage: 'util-linux',
    versionArguments: ['-V'],
    versionPattern: /util-linux (\S+)/,
  },
];

/** Debian keeps servers where only root's path looks. */
export const toolEnvironment = {
  ...process.env,
  PATH: `${process.env.PATH ?? ''}:/usr/local/sbin:/usr/sbin:/sbin`,
};

/** What it says of itself; undefined when it cannot be started. Some say it on stderr and with a failure. */
function versionOf({ command, versionArguments, versionPattern }: Tool): string | undefined {
  try {
    const shell = `${command} ${versionArguments.join(' ')} 2>&1; true`;
    const text = execFileSync('sh', ['-c', shell], { encoding: 'utf8', env: toolEnvironment });
    return versionPattern.exec(text)?.[1];
  } catch {
    return undefined;
  }
}

const require = createRequire(import.meta.url);
const packageVersion = (name: string): string =>
  (require(`${name}/package.json`) as { version: string }).version;

export interface Machine {
  /** Of every program that takes part, by name. */
  readonly versions: Readonly<Record<string, string>>;
  readonly system: string;
  readonly memoryGigabytes: number;
}

/** Throws `ToolsMissing` with the line that mends it. `commands`: default: all of them. */
export function requireTools(commands?: readonly string[]): Machine {
  const wanted = tools.filter(({ command }) => commands?.includes(command) ?? true);
  const found = wanted.map((tool) => ({ tool, version: versionOf(tool) }));
  const missing = found.filter(({ version }) => version === undefined).map(({ tool }) => tool);
  if (missing.length > 0) {
    const names = missing.map(({ command }) => command).join(', ');
    const packages = missing.map(({ debianPackage }) => debianPackage).join(' ');
    throw new ToolsMissing(
      `not installed: ${names}. On Debian: apt-get install --no-install-recommends ${packages}`,
    );
  }
  if (availableParallelism() < 2) {
    throw new ToolsMissing(
      'two processors are needed: one for the gateway, one for the load and the upstream',
    );
  }
  return {
    versions: {
      ...Object.fromEntries(found.map(({ tool, version }) => [tool.command, version ?? ''])),
      node: process.versions.node,
      fastify: packageVersion('fastify'),
      '@fastify/http-proxy': packageVersion('@fastify/http-proxy'),
      '@fastify/jwt': packageVersion('@fastify/jwt'),
    },
    system: `${process.platform} ${release()}`,
    memoryGigabytes: Math.round(totalmem() / 1024 ** 3),
  };
}
