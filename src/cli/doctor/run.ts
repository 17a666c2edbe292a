/** `espalier doctor`: looks, shows, and ends with 0 when nothing failed. */

import { CommandFailure, exitCodes } from '../admin-api.ts';
import { configOrExit, configSource } from '../environment.ts';
import { writeBundle } from './bundle.ts';
import { examine, NotSelectable } from './examine.ts';
import { knownSecrets } from './known-secrets.ts';
import { anyFailed, type Line } from './line.ts';
import { createScrubber } from './scrub.ts';
import { showJson, showTable } from './show.ts';

export interface DoctorArguments {
  readonly tenant: readonly string[];
  readonly cloud: readonly string[];
  readonly instance: readonly string[];
  /** Seconds. */
  readonly timeout: number;
  readonly macs?: boolean;
  /** `true`: under a name of its own. */
  readonly bundle?: string | true;
  readonly output: 'json' | 'table';
}

const plainWidth = 120;

function show(lines: readonly Line[], output: DoctorArguments['output'], at: Date): string {
  const { stdout } = process;
  if (output === 'json') return showJson(lines, at);
  return showTable(lines, { width: stdout.isTTY ? stdout.columns : plainWidth, colour: stdout.isTTY });
}

/** The exit code: 0 when nothing failed, 1 when something did, 4 for a selection of what is not there. */
export async function runDoctor(options: DoctorArguments): Promise<number> {
  const config = await configOrExit();
  const source = configSource();
  const at = new Date();
  const asked = {
    config,
    environment: source.environment,
    selection: { tenants: options.tenant, clouds: options.cloud, instances: options.instance },
    timeoutMs: options.timeout * 1_000,
    macs: options.macs === true,
  };
  try {
    return await examine(asked, async ({ context, lines }) => {
      // No line should hold a secret; that none does is not left to every line's care.
      const scrub = createScrubber(await knownSecrets(context));
      const shown = lines.map((line) => ({
        ...line,
        found: scrub(line.found),
        subject: scrub(line.subject),
      }));
      process.stdout.write(show(shown, options.output, at));
      if (options.bundle !== undefined) {
        const file = await writeBundle({ context, source, lines: shown, at, scrub, file: options.bundle });
        process.stderr.write(`support bundle without secrets: ${file}\n`);
      }
      return anyFailed(lines) ? exitCodes.error : 0;
    });
  } catch (error) {
    if (!(error instanceof NotSelectable) && !(error instanceof CommandFailure)) throw error;
    process.stderr.write(`espalier: ${error.message}\n`);
    return error instanceof NotSelectable ? exitCodes.notFound : error.exitCode;
  }
}
