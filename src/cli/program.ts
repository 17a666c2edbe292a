/** The tree of commands. Each loads what it needs when it runs, so that `--help` and completion are quick. */

import { Command, Option } from 'commander';
import { version } from '../version.ts';
import { addAbout } from './commands/about.ts';
import { addAlerts } from './commands/alerts.ts';
import { addApprovals } from './commands/approvals.ts';
import { addCompletion } from './commands/completion.ts';
import { addDevices } from './commands/devices.ts';
import { addHistory } from './commands/history.ts';
import { addHolds } from './commands/holds.ts';
import { addInstances } from './commands/instances.ts';
import { addKeys } from './commands/keys.ts';
import { addMoves } from './commands/moves.ts';
import { addOperators } from './commands/operators.ts';
import { addProfiles } from './commands/profiles.ts';
import { addReports } from './commands/reports.ts';
import { addRoutes } from './commands/routes.ts';
import { addSessions } from './commands/sessions.ts';
import { addTenants } from './commands/tenants.ts';
import { addApply, addExport, addSchema } from './declared/commands.ts';
import { addDoctor } from './doctor/command.ts';
import { addLocalCommands } from './local-commands.ts';
import { formats } from './output/output.ts';
import type { ConnectionOptions } from './server/settings.ts';

const exitCodesText = `
Exit codes:
  0 done   1 error   2 usage   3 authentication   4 not found   5 permission   6 rate limited`;

const serverVariables = ['ESPALIER_PROFILE', 'ESPALIER_URL', 'ESPALIER_API_KEY', 'ESPALIER_CA_FILE'];

/** Puts the options that name a server over the environment: every command then reads one place. */
async function applyConnectionOptions(program: Command, command: Command): Promise<void> {
  const { apiKey, caFile, profile, server } = program.opts<ConnectionOptions>();
  if ([apiKey, caFile, profile, server].every((option) => option === undefined)) return;
  // There they say what is to be written.
  if (command.parent?.name() === 'profiles') return;
  const [{ withOptions }, { configSource }] = await Promise.all([
    import('./server/settings.ts'),
    import('./environment.ts'),
  ]);
  const environment = withOptions(configSource().environment, { apiKey, caFile, profile, server });
  for (const name of serverVariables) {
    const value = environment[name];
    if (value !== undefined) process.env[name] = value;
  }
}

function createRoot(): Command {
  const program = new Command('espalier')
    .description('Multi-tenant gateway between Jamf Pro and Microsoft Intune')
    .version(version)
    .exitOverride()
    .configureHelp({ showGlobalOptions: true })
    .showHelpAfterError('(--help shows what there is)')
    .addHelpText('afterAll', exitCodesText)
    .addHelpText(
      'after',
      '\nA server is named by --profile, by ESPALIER_URL and ESPALIER_API_KEY, or by the default profile: "espalier profiles --help".\nShell completion: "espalier completion --help".',
    );
  program.optionsGroup('Output and server:');
  return program
    .addOption(
      new Option('-o, --output <format>', 'how answers are written').choices([...formats]).default('table'),
    )
    .option('-p, --profile <name>', 'the server of this profile')
    .option('--server <url>', 'base URL of the admin API, over ESPALIER_URL')
    .option('--api-key <reference>', 'env:NAME or file:PATH of an admin API key, over ESPALIER_API_KEY')
    .option(
      '--ca-file <file>',
      'PEM file of an authority to trust besides the public ones, over ESPALIER_CA_FILE',
    )
    .hook('preAction', (root, command) => applyConnectionOptions(root, command));
}

export function createProgram(): Command {
  const program = createRoot();
  program.commandsGroup('Run:');
  addLocalCommands(program);
  addDoctor(program);
  program.commandsGroup('Work on a server:');
  addApply(program);
  addExport(program);
  addTenants(program);
  addInstances(program);
  addDevices(program);
  addRoutes(program);
  addMoves(program);
  addReports(program);
  addHolds(program);
  addHistory(program);
  addApprovals(program);
  addAlerts(program);
  addKeys(program);
  addOperators(program);
  addSessions(program);
  addAbout(program);
  program.commandsGroup('This command line:');
  addProfiles(program);
  addSchema(program);
  addCompletion(program);
  return program;
}
