import { type Command, InvalidArgumentError } from 'commander';
import { addExamples } from '../commands/declare.ts';
import { outputOf } from '../commands/output-of.ts';
import type { DoctorArguments } from './run.ts';

const longestTimeoutSeconds = 300;

const seconds = (text: string): number => {
  const value = Number(text);
  if (!Number.isFinite(value) || value < 0.1 || value > longestTimeoutSeconds)
    throw new InvalidArgumentError(`must be a number of seconds from 0.1 to ${longestTimeoutSeconds}`);
  return value;
};

const more = (value: string, before: readonly string[]): readonly string[] => [...before, value];

/** `espalier doctor`; what it needs is loaded when it runs. */
export function addDoctor(program: Command): void {
  const command = program
    .command('doctor')
    .description('check this machine, its clouds, tenants and instances, and say what to do (docs/doctor.md)')
    .option('--tenant <id>', 'only this tenant; may be repeated', more, [])
    .option('--cloud <name>', 'only this cloud and its tenants; may be repeated', more, [])
    .option('--instance <id>', 'only this instance, by id or name; may be repeated', more, [])
    .option('--timeout <seconds>', 'for each step', seconds, 10)
    .option('--macs', 'look at the hosts that Macs need themselves, too')
    .option('--bundle [file]', 'also write a support bundle without secrets')
    .action(async (options: Omit<DoctorArguments, 'output'>) => {
      const { runDoctor } = await import('./run.ts');
      process.exitCode = await runDoctor({
        ...options,
        output: outputOf(command, ['table', 'json'], 'table'),
      });
    });
  addExamples(command, [
    ['doctor', 'everything; exit code 0 when nothing failed'],
    ['doctor --instance berlin -o json', 'one instance, for machines'],
    ['doctor --bundle', 'and a support bundle without secrets in this folder'],
  ]);
}
