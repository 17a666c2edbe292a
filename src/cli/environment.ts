import { readFileSync } from 'node:fs';
import { parseEnv } from 'node:util';
import type { Config, ConfigSource } from '../runtime/config.ts';

/** The process's environment over the values of `.env` in the working directory. */
export function configSource(): ConfigSource {
  let fromFile: Record<string, string | undefined> = {};
  try {
    fromFile = parseEnv(readFileSync('.env', 'utf8'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  const environment = { ...fromFile, ...process.env };
  return { environment, readFile: (path) => readFileSync(path, 'utf8') };
}

/** The configuration, or its faults on standard error, a line each, and exit status 2. */
export async function configOrExit(): Promise<Config> {
  const source = configSource();
  // Commands on a server want only the environment: what checks the gateway's configuration is loaded when it is needed.
  const { loadConfig } = await import('../runtime/config.ts');
  const result = await loadConfig(source);
  if (result.ok) {
    // What only libraries read, OpenTelemetry's and the secret references, has to be in the process's environment.
    Object.assign(process.env, source.environment);
    return result.config;
  }
  for (const { variable, problem, example } of result.faults) {
    process.stderr.write(`${variable} ${problem}; for example ${variable}=${example}\n`);
  }
  process.exit(2);
}
