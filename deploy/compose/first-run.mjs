/**
 * Makes the secrets of compose.yaml at the first start and leaves those that are there alone: a new key would open nothing that
 * the old one sealed. Each file belongs to the user of the container that reads it. Run by node with the folder as its argument.
 */

import { randomBytes } from 'node:crypto';
import { chownSync, existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** The users of the images: ours, postgres's and Grafana's. */
const owners = { gateway: 1000, database: 999, grafana: 472 };

const [folder] = process.argv.slice(2);
if (folder === undefined) {
  process.stderr.write('first-run.mjs: the folder of the secrets is needed\n');
  process.exit(2);
}

function write(reader, name, content) {
  const directory = join(folder, reader);
  mkdirSync(directory, { recursive: true });
  const unfinished = join(directory, `${name}.new`);
  // A run that was cut short left it to its reader, and so closed to this one.
  rmSync(unfinished, { force: true });
  writeFileSync(unfinished, content, { mode: 0o400, flag: 'wx' });
  // A rehearsal is not always root, and then reads the files as itself.
  if (process.getuid() === 0) chownSync(unfinished, owners[reader], owners[reader]);
  renameSync(unfinished, join(directory, name));
}

const password = () => randomBytes(24).toString('base64url');

const gatewayFile = join(folder, 'gateway', '.env');
if (!existsSync(gatewayFile)) {
  const ofDatabase = password();
  write('database', 'password', ofDatabase);
  write('grafana', 'password', password());
  // Last: where it is, all are.
  write(
    'gateway',
    '.env',
    [
      `DATABASE_URL=postgres://espalier:${ofDatabase}@database:5432/espalier`,
      `ESPALIER_SECRETS_KEY=${randomBytes(32).toString('base64')}`,
      `ESPALIER_BOOTSTRAP_KEY=esp_${randomBytes(32).toString('base64url')}`,
      '',
    ].join('\n'),
  );
}
