import { readFileSync } from 'node:fs';
import type { Config, ConfigSource } from '../runtime/config.ts';
import { DotEnvFault, parseDotEnv } from './dot-env.ts';
import { exitCodes, usageFailure } from './failure.ts';

const fileName = '.env';

function readDotEnv(): Record<string, string> {
  try {
    return parseDotEnv(readFileSync(fileName));
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    // A directory of this name is Python's, and nothing of ours.
    if (code === 'ENOENT' || code === 'EISDIR') return {};
    throw usageFailure(
      error instanceof DotEnvFault ? `${fileName} ${message}` : `${fileName} cannot be read: ${message}`,
    );
  }
}

/** The process's environment over the values of `.env` in the working directory. */
export function configSource(): ConfigSource {
  const environment = { ...readDotEnv(), ...process.env };
  return { environment, readFile: (path) => readFileSync(path, 'utf8') };
}

export type ReadConfig =
  | { readonly ok: true; readonly config: Config; readonly warnings: readonly string[] }
  | {
      readonly ok: false;
      /** One for each fault. */
      readonly lines: readonly string[];
      readonly warnings: readonly string[];
      readonly exitCode: number;
    };

/** The configuration, or its faults; what nobody reads is warned about. The process's environment is then complete. */
export async function readConfig(): Promise<ReadConfig> {
  const { driverFault } = await import('../runtime/node-driver.ts');
  const unpatched = driverFault();
  if (unpatched !== undefined)
    return { ok: false, lines: [`espalier: ${unpatched}`], warnings: [], exitCode: exitCodes.error };
  const source = configSource();
  // Commands on a server want only the environment: what checks the gateway's configuration is loaded when it is needed.
  const [{ loadConfig }, { checkProcessOtelVariables }, { describeUnknownVariables }] = await Promise.all([
    import('../runtime/config.ts'),
    import('../runtime/otel-variables.ts'),
    import('../runtime/unknown-variables.ts'),
  ]);
  const result = await loadConfig(source);
  // A fault of the clouds file hides its clouds; variables of theirs are warned about until it is mended.
  const clouds = result.ok ? result.config.clouds.keys() : result.clouds;
  const warnings = [...describeUnknownVariables(Object.keys(source.environment), clouds)];
  const faults = [...(result.ok ? [] : result.faults), ...checkProcessOtelVariables(source)];
  if (result.ok && faults.length === 0) {
    // A variable that only libraries read, OpenTelemetry's and the secret references, has to be in the process's environment.
    Object.assign(process.env, source.environment);
    return { ok: true, config: result.config, warnings };
  }
  const lines = faults.map(({ variable, problem, example }) => {
    const suffix = example === '' ? '' : `; for example ${variable}=${example}`;
    return `${variable} ${problem}${suffix}`;
  });
  return { ok: false, lines, warnings, exitCode: exitCodes.usage };
}

/** The configuration, or its faults on standard error, a line each, and exit status 2; 1 for an unpatched driver. */
export async function configOrExit(): Promise<Config> {
  const read = await readConfig();
  for (const line of read.warnings) process.stderr.write(`warning: ${line}\n`);
  if (read.ok) return read.config;
  for (const line of read.lines) process.stderr.write(`${line}\n`);
  process.exit(read.exitCode);
}
