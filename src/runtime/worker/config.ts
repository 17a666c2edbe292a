import { isOwnVariable, ownVariableRefused, SecretUnreadable } from '../../secrets/reference.ts';
import { type ConfigFault, type ConfigResult, loadConfig } from '../config.ts';
import { settings } from '../settings.ts';
import type { DirectoryNamespace } from './directory-port.ts';
import { exportFaults } from './export-settings.ts';
import type { RateLimitBinding } from './rate.ts';
import type { Bucket } from './snapshot/vault.ts';
import type { DelivererNamespace } from './waker.ts';

/** A Worker has these instead of an environment and files: variables, secrets and a Hyperdrive binding. */

export interface WorkerBindings {
  /** A pool of database connections near the database; preferred to `DATABASE_URL`. */
  readonly HYPERDRIVE?: { readonly connectionString: string };
  /** The class that delivers; without it a Node process does. */
  readonly DELIVERER?: DelivererNamespace;
  /** Device calls of a tenant, and webhooks and pushes of an instance; without them each isolate limits by itself. */
  readonly RATE_TENANT?: RateLimitBinding;
  readonly RATE_INSTANCE?: RateLimitBinding;
  /** Holds the snapshot; without it there is none. */
  readonly SNAPSHOT?: Bucket;
  /** The class that says whether what is remembered still holds; without it everything is read again after a second. */
  readonly DIRECTORY?: DirectoryNamespace;
  readonly [name: string]: unknown;
}

/** An isolate has 128 MB in all, and the cache of Node's default size is 40 MB before it holds anything. */
const routeCacheEntries = '20000';

/** The variables and secrets as text. Hyperdrive's connection string stands for `DATABASE_URL`. */
export function workerEnvironment(bindings: WorkerBindings): Record<string, string | undefined> {
  const texts = Object.entries(bindings).filter(
    (entry): entry is [string, string] => typeof entry[1] === 'string',
  );
  const environment = Object.fromEntries(texts);
  return {
    [settings.routeCacheEntries.name]: routeCacheEntries,
    ...environment,
    [settings.databaseUrl.name]:
      bindings.HYPERDRIVE?.connectionString ?? environment[settings.databaseUrl.name],
  };
}

/** Address of the database for a request; empty when none is given, which `loadWorkerConfig` reports. */
export const databaseUrlOf = (bindings: WorkerBindings): string =>
  workerEnvironment(bindings)[settings.databaseUrl.name] ?? '';

/**
 * Reads a `…_FILE` variable, which on Workers holds the file's text itself. Throws for anything else; the message holds
 * no value.
 */
function readTextOfVariable(value: string): string {
  if (value.startsWith('-----BEGIN') || value.startsWith('{')) return value;
  throw new Error('there are no files on Workers, so the variable must hold the PEM or JSON text itself');
}

const isRateLimit = (binding: unknown): boolean =>
  typeof (binding as Partial<RateLimitBinding> | undefined)?.limit === 'function';

/** The snapshot is written by objects, into a bucket. */
function faultsOfSnapshot({ DIRECTORY, SNAPSHOT }: WorkerBindings): ConfigFault[] {
  if (SNAPSHOT === undefined) return [];
  const example = 'bucket_name = "espalier-snapshot"';
  const fault = (problem: string): ConfigFault[] => [{ variable: 'SNAPSHOT', problem, example }];
  if (typeof (SNAPSHOT as Partial<Bucket> | null)?.list !== 'function')
    return fault('is no bucket: bind one under [[r2_buckets]], or nothing');
  return DIRECTORY === undefined ? fault('is bound without DIRECTORY, whose objects write to it') : [];
}

/** What a Worker can be given and a process cannot. */
function faultsOfBindings(bindings: WorkerBindings): ConfigFault[] {
  const noText = Object.entries(bindings).filter(
    ([name, value]) => /^(ESPALIER|OTEL)_/.test(name) && typeof value !== 'string',
  );
  const noLimit = ['RATE_TENANT', 'RATE_INSTANCE'].filter(
    (name) => bindings[name] !== undefined && !isRateLimit(bindings[name]),
  );
  return [
    ...(databaseUrlOf(bindings) === ''
      ? [
          {
            variable: settings.databaseUrl.name,
            problem:
              'is missing: on Workers bind a Hyperdrive configuration as HYPERDRIVE, or set it as a secret',
            example: settings.databaseUrl.example,
          },
        ]
      : []),
    ...noText.map(([variable]) => ({
      variable,
      problem: 'is not text: in wrangler.toml its value stands in quotes',
      example: `${variable} = "…"`,
    })),
    ...noLimit.map((variable) => ({
      variable,
      problem: 'is no rate limit: bind it under [[ratelimits]], or not at all',
      example: 'simple = { limit = 12_000, period = 10 }',
    })),
    ...faultsOfSnapshot(bindings),
  ];
}

/** Reads and checks the configuration of a Worker; all faults come back together. */
export async function loadWorkerConfig(bindings: WorkerBindings): Promise<ConfigResult> {
  const source = { environment: workerEnvironment(bindings), readFile: readTextOfVariable };
  const result = await loadConfig(source);
  const faults = [...faultsOfBindings(bindings), ...exportFaults(source)];
  if (faults.length === 0) return result;
  return {
    ok: false,
    faults: [...faults, ...(result.ok ? [] : result.faults)],
    clouds: result.ok ? [...result.config.clouds.keys()] : result.clouds,
  };
}

/**
 * Reads `env:NAME` of an instance's secret. Throws `SecretUnreadable`; `file:` is refused, for Workers have no files, and so
 * are the gateway's own secrets.
 */
export function workerSecretReader(bindings: WorkerBindings): (reference: string) => Promise<string> {
  return async (reference) => {
    if (!reference.startsWith('env:'))
      throw new SecretUnreadable(
        'on Cloudflare Workers there are no files: a secret reference begins with env:',
        true,
      );
    const name = reference.slice('env:'.length);
    if (isOwnVariable(name)) throw ownVariableRefused(reference);
    const value = bindings[name];
    if (typeof value !== 'string' || value === '')
      throw new SecretUnreadable(`the secret of ${reference} is not set`);
    return value;
  };
}
