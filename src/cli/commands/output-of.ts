import type { Command } from 'commander';
import { usageFailure } from '../failure.ts';

/** The format asked for, or the command's own when none was. Throws `CommandFailure` for one that it has not. */
export function outputOf<Format extends string>(
  command: Command,
  formats: readonly Format[],
  fallback: Format,
): Format {
  if (command.parent?.getOptionValueSource('output') !== 'cli') return fallback;
  const { output } = command.optsWithGlobals<{ output?: string }>();
  const found = formats.find((format) => format === output);
  if (found === undefined) throw usageFailure(`-o ${output}: this command writes ${formats.join(' or ')}`);
  return found;
}
