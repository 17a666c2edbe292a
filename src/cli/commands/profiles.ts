/** `espalier profiles`: servers by name, in a file of the user's own. No server is called but by `test`. */

import type { Command } from 'commander';
import type { ConnectionOptions } from '../server/settings.ts';
import { addExamples } from './declare.ts';

export function addProfiles(program: Command): void {
  const group = program
    .command('profiles')
    .summary('servers by name, with where each one’s key is')
    .description(
      'Servers by name, with where each one’s key is: ~/.config/espalier/config.yaml (XDG_CONFIG_HOME is honoured).\n\n' +
        'An option wins over the environment, the environment over a profile. A key is kept by reference, env:NAME or file:PATH, never in the file itself.',
    );
  const actions = () => import('./profile-actions.ts');
  const format = (): unknown => program.opts().output;
  addExamples(
    group
      .command('list')
      .description('the profiles, and which one is used if none is named')
      .action(async () => (await actions()).listProfiles(format())),
    [['profiles list', 'no key is shown']],
  );
  group
    .command('names', { hidden: true })
    .description('only the names, for shell completion')
    .action(async () => (await actions()).listProfileNames());
  const add = group
    .command('add')
    .description(
      'add a profile, or replace the one of that name; the first one becomes the default\n\n' +
        'It needs --server and --api-key, and --ca-file where the certificate is not signed by a public authority. ' +
        '--api-key is env:NAME, file:PATH, or - to ask for the key (or read it from standard input) and keep it in a file of mode 0600 beside the profiles.',
    )
    .argument('<name>', 'letters, digits, . _ -')
    .option('--no-test', 'do not try it first')
    .action(async (name: string, options: { test: boolean }) => {
      await (await actions()).addProfile(name, { ...options, ...program.opts<ConnectionOptions>() });
    });
  addExamples(add, [
    [
      'profiles add production --server https://espalier.example.com:9443 --api-key -',
      'asks for the key and tries it',
    ],
    [
      'profiles add lab --server https://localhost:9443 --api-key env:LAB_KEY --ca-file .espalier/tls.crt',
      'with the self-signed certificate of a gateway',
    ],
  ]);
  addExamples(
    group
      .command('remove')
      .description('remove a profile, and the key that "profiles add" kept for it')
      .argument('<name>', 'of "profiles list"')
      .option('-y, --yes', 'do not ask')
      .action(async (name: string, options: { yes?: boolean }) => {
        await (await actions()).removeProfile(name, options.yes === true);
      }),
    [['profiles remove lab', 'asks first']],
  );
  addExamples(
    group
      .command('use')
      .description('make a profile the one that is used if none is named')
      .argument('<name>', 'of "profiles list"')
      .action(async (name: string) => (await actions()).useProfile(name)),
    [['profiles use production', 'from now on']],
  );
  addExamples(
    group
      .command('test')
      .description('call the server of a profile: address, certificate and key')
      .argument('[name]', 'default: the one that commands use')
      .action(async (name: string | undefined) =>
        (await actions()).testProfile(name ?? program.opts<ConnectionOptions>().profile),
      ),
    [['profiles test production', 'says the version of the server']],
  );
}
