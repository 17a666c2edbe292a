#!/usr/bin/env node
import { Command, CommanderError, InvalidArgumentError } from 'commander';
import { describeConfig } from '../runtime/config.ts';
import { version } from '../runtime/version.ts';
import type { DemoArguments } from './demo.ts';
import { addDoctor } from './doctor/command.ts';
import { configOrExit, configSource } from './environment.ts';
import type { RebuildArguments } from './routes-rebuild.ts';
import type { SimulateArguments } from './simulate.ts';

/** The command line; each command loads what it needs, so that `--help` is quick. Exit codes: contract section 9. */

const usageError = 2;

const program = new Command('espalier')
  .description('Multi-tenant gateway between Jamf Pro and Microsoft Intune')
  .version(version)
  .exitOverride()
  .showHelpAfterError('(espalier --help shows what there is)');

program
  .command('serve')
  .description('run the gateway: listeners and delivery')
  .action(async () => {
    const { serve } = await import('./serve.ts');
    await serve({ listeners: true });
  });

program
  .command('worker')
  .description('deliver without listeners, beside other processes on the same database')
  .action(async () => {
    const { serve } = await import('./serve.ts');
    await serve({ listeners: false });
  });

program
  .command('migrate')
  .description('bring the database schema up to date')
  .action(async () => {
    const config = await configOrExit();
    const { openStore } = await import('../runtime/node.ts');
    const store = await openStore({ ...config, migrate: 'auto' });
    await store.close();
    process.stdout.write('the schema is up to date\n');
  });

program
  .command('config')
  .description('print the effective configuration, secrets masked')
  .action(async () => {
    const config = await configOrExit();
    const { describeSecretsKeys } = await import('./secrets-keys.ts');
    const lines = [...describeConfig(configSource()), ...(await describeSecretsKeys(config))];
    process.stdout.write(`${lines.join('\n')}\n`);
  });

addDoctor(program);

const wholeNumber = (text: string): number => {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0)
    throw new InvalidArgumentError('must be a whole number, 0 or more');
  return value;
};

program
  .command('simulate')
  .description('run the simulated Microsoft clouds and Jamf fleet on their own')
  .option('--data-dir <dir>', 'where its certificates and settings are written', '.espalier-simulator')
  .option('--seed <n>', 'the same seed makes the same world', wholeNumber)
  .option('--macs <n>', 'Macs in the fleet', wholeNumber)
  .option('--port-base <n>', 'first of its ports; free ones if unsaid', wholeNumber)
  .option('--public-url <url>', 'base URL of the gateway that it works with')
  .option('--json', 'only the ready line')
  .option('--quiet-fleet', 'the Macs do nothing by themselves')
  .action(async (options: SimulateArguments) => {
    const { runSimulate } = await import('./simulate.ts');
    process.exitCode = await runSimulate(options);
  });

program
  .command('demo')
  .description('show the main job: simulated clouds and fleet, and the real gateway between them')
  .option('--once', 'end when it is shown; the last line is a JSON summary')
  .option('--data-dir <dir>', 'where its database and certificates are', '.espalier-demo')
  .option('--seed <n>', 'the same seed makes the same fleet', wholeNumber)
  .action(async (options: DemoArguments) => {
    const { runDemo } = await import('./demo.ts');
    process.exitCode = await runDemo(options);
  });

program
  .command('routes')
  .description('work on the routes of a server, over its admin API')
  .command('rebuild')
  .description('make all routes and reports anew from the instances alone, after losing the database')
  .option('--tenant <id>', 'only this tenant; all that the key may see if unsaid')
  .option('--no-wait', 'do not wait until every computer was read')
  .action(async (options: RebuildArguments) => {
    const { runRoutesRebuild } = await import('./routes-rebuild.ts');
    process.exitCode = await runRoutesRebuild(options);
  });

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) process.exit(error.exitCode === 0 ? 0 : usageError);
  process.stderr.write(`espalier: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
}
