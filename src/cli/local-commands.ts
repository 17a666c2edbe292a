/** Commands that run something on this machine, configured by the environment or `.env` (docs/settings.md). */

import { type Command, InvalidArgumentError } from 'commander';
import { addExamples } from './commands/declare.ts';
import type { DemoArguments } from './demo.ts';
import type { SimulateArguments } from './simulate.ts';

const wholeNumber = (text: string): number => {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0)
    throw new InvalidArgumentError('must be a whole number, 0 or more');
  return value;
};

function addServing(program: Command): void {
  addExamples(
    program
      .command('serve')
      .summary('run the gateway: listeners and delivery')
      .description(
        'run the gateway: listeners and delivery\n\n' +
          'Configured by environment variables or .env; "espalier config" shows what is in force. When it is ready it logs a line with "event":"ready" and the addresses. SIGTERM ends it: it is not ready at once, serves on for ESPALIER_DRAIN_DELAY_SECONDS, and finishes what is in flight. On several processes (ESPALIER_PROCESSES) SIGHUP replaces them one after the other.',
      )
      .action(async () => {
        const { serve } = await import('./serve.ts');
        await serve({ listeners: true });
      }),
    [['serve', 'with an embedded database if DATABASE_URL is not set']],
  );
  addExamples(
    program
      .command('worker')
      .summary('deliver only, beside other processes on the same database')
      .description(
        'deliver only, beside other processes on the same database\n\n' +
          'Any number of them and of "serve" share the work. Probes and scrapers are answered at ESPALIER_OPS_LISTEN, which has to be a port of its own for each process on one machine.',
      )
      .action(async () => {
        const { serve } = await import('./serve.ts');
        await serve({ listeners: false });
      }),
    [['worker', 'needs DATABASE_URL']],
  );
}

function addSetUp(program: Command): void {
  addExamples(
    program
      .command('migrate')
      .summary('bring the database schema up to date')
      .description(
        'bring the database schema up to date\n\n' +
          '"serve" does so itself unless ESPALIER_MIGRATE=off. Safe to repeat, and beside running processes of the version before.',
      )
      .option(
        '--grant-to <role>',
        'then give this role, which serves with ESPALIER_MIGRATE=off, the rights it needs',
      )
      .action(async (options: { readonly grantTo?: string }) => {
        const { configOrExit } = await import('./environment.ts');
        const config = await configOrExit();
        const { migrateStore } = await import('../runtime/node-store.ts');
        await migrateStore(config, options);
        process.stdout.write('the schema is up to date\n');
      }),
    [
      ['migrate', 'before a new version is rolled out'],
      ['migrate --grant-to espalier_serve', 'where another role serves than the one that owns the tables'],
    ],
  );
  addExamples(
    program
      .command('config')
      .summary('print the effective configuration, secrets masked')
      .description(
        'print the effective configuration, secrets masked\n\n' +
          'Exit code 2 if something in it is wrong, with a line for each fault: the variable, what is wrong, a good value.',
      )
      .action(async () => {
        const { configOrExit, configSource } = await import('./environment.ts');
        const { describeConfig } = await import('../runtime/config.ts');
        const { describeSecretsKeys } = await import('./secrets-keys.ts');
        const config = await configOrExit();
        const { describeProcesses } = await import('./serve-words.ts');
        const keys = await describeSecretsKeys(config);
        const lines = [...describeConfig(configSource()), describeProcesses(config), ...keys];
        process.stdout.write(`${lines.join('\n')}\n`);
      }),
    [['config', 'of the environment and .env as they are now']],
  );
}

function addTrying(program: Command): void {
  const simulate = program
    .command('simulate')
    .summary('run the simulated Microsoft clouds and Jamf fleet on their own')
    .description(
      'run the simulated Microsoft clouds and Jamf fleet on their own\n\n' +
        'For a gateway that you start yourself: its settings are written to gateway.env in the data directory.',
    )
    .option('--data-dir <dir>', 'where its certificates and settings are written', '.espalier-simulator')
    .option('--seed <n>', 'the same seed makes the same world', wholeNumber)
    .option('--macs <n>', 'Macs in the fleet', wholeNumber)
    .option('--port-base <n>', 'first of its ports; default: free ones', wholeNumber)
    .option(
      '--tenants <n>',
      'tenants in it, in two clouds by turns; default: two with four instances',
      wholeNumber,
    )
    .option('--instances <n>', 'Jamf Pro instances in it, shared out evenly', wholeNumber)
    .option('--public-url <url>', 'base URL of the gateway that it works with')
    .option('--admin-url <url>', "base URL of its admin listener, where operators' sign-in returns")
    .option('--json', 'only the ready line')
    .option('--quiet-fleet', 'the Macs do nothing by themselves')
    .action(async (options: SimulateArguments) => {
      const { runSimulate } = await import('./simulate.ts');
      process.exitCode = await runSimulate(options);
    });
  addExamples(simulate, [
    ['simulate --macs 500 --port-base 20000', 'five hundred Macs at addresses that stay'],
  ]);
  const demo = program
    .command('demo')
    .summary('show the main job: simulated clouds and fleet, and the real gateway between them')
    .description(
      'show the main job: simulated clouds and fleet, and the real gateway between them\n\n' +
        'Nothing outside this machine is called.',
    )
    .option('--once', 'end when it is shown; the last line is a JSON summary')
    .option('--data-dir <dir>', 'where its database and certificates are', '.espalier-demo')
    .option('--seed <n>', 'the same seed makes the same fleet', wholeNumber)
    .option(
      '--listen <address>',
      "address of the gateway's listeners; 0.0.0.0 in a container, where what is published decides who comes in",
      '127.0.0.1',
    )
    .option(
      '--port-base <n>',
      "first of the gateway's three ports: data, admin, ops; default: free ones",
      wholeNumber,
    )
    .action(async (options: DemoArguments) => {
      const { runDemo } = await import('./demo.ts');
      process.exitCode = await runDemo(options);
    });
  addExamples(demo, [['demo --once', 'exit code 0 only if every device is verified and none misrouted']]);
}

export function addLocalCommands(program: Command): void {
  addServing(program);
  addSetUp(program);
  addTrying(program);
}
