/** Every secret that this gateway can read, to be taken out of whatever leaves the machine. */

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Setting, settings } from '../../runtime/settings.ts';
import { pick } from '../../store/columns.ts';
import { secretAssociation } from '../../store/instances/secret.ts';
import { query } from '../../store/query.ts';
import { instances, tenants } from '../../store/schema.ts';
import { applicationAssociation } from '../../store/tenants/application.ts';
import type { DoctorContext } from './context.ts';

/** Names of variables whose values are secrets although no setting of ours: the command line's key, OpenTelemetry's headers. */
const secretName = /SECRET|PASSWORD|PASSWD|TOKEN|API_KEY|HEADERS|CREDENTIAL/i;

/** Other programs' proxies have the same passwords. */
const proxyName = /^(?:https?|all)_proxy$/i;

function* ofEnvironment(environment: DoctorContext['environment']): Generator<string> {
  const secretSettings = (Object.values(settings) as Setting<unknown>[]).filter(
    ({ secret }) => secret === true,
  );
  for (const [name, value = ''] of Object.entries(environment)) {
    const ours = secretSettings.some(
      (setting) => name.toUpperCase() === setting.name || name.startsWith(`${setting.name}_`),
    );
    if (!ours && !secretName.test(name) && !proxyName.test(name)) continue;
    // A path is no secret, and whoever reads the bundle needs to know which file it is.
    if (/_FILE(_|$)/.test(name)) continue;
    yield value;
    // Lists of keys, and lists of headers as OpenTelemetry has them.
    for (const part of value.split(',')) {
      yield part.trim();
      yield part.slice(part.indexOf('=') + 1).trim();
    }
    const url = proxyName.test(name) && !value.includes('://') ? `http://${value}` : value;
    if (URL.canParse(url)) {
      const { password, searchParams, username } = new URL(url);
      // A proxy may take a token for the user.
      if (proxyName.test(name)) yield* [username, decodeURIComponent(username)];
      yield password;
      yield decodeURIComponent(password);
      yield searchParams.get('password') ?? '';
    }
  }
}

/** The whole, and each line of a PEM: a part is as good as the rest to recognise. */
const linesOf = (text: string): readonly string[] => [
  text,
  text.trim(),
  ...text.split('\n').filter((line) => line.length >= 40 && !line.startsWith('-----')),
];

async function ofFiles({ config, environment }: DoctorContext): Promise<string[]> {
  const named = Object.entries(environment).flatMap(([name, path]) =>
    /_KEY_FILE(_|$)/.test(name) && path ? [path] : [],
  );
  const own = ['secrets-key', 'postgres-password', 'tls.key'].map((name) => join(config.dataDir, name));
  const texts: string[] = [];
  for (const path of [...named, ...own]) {
    // A secret that cannot be read cannot have come into any text either.
    const text = await readFile(path, 'utf8').catch(() => undefined);
    if (text !== undefined) texts.push(...linesOf(text));
  }
  return texts;
}

async function ofDatabase({ inspection }: DoctorContext): Promise<string[]> {
  const { database, readReference, sealer, sql } = inspection;
  if (database.state !== 'there' || database.applied !== database.newest) return [];
  const ofInstances = pick(instances, 'tenantId', 'instanceId', 'apiSecretSealed', 'apiSecretRef');
  const ofTenants = pick(tenants, 'tenantId', 'application');
  const rows = [
    ...(await query(sql).select(ofInstances).from(instances)).map((row) => ({
      sealed: row.apiSecretSealed,
      reference: row.apiSecretRef,
      associated: secretAssociation(row),
    })),
    ...(await query(sql).select(ofTenants).from(tenants)).map(({ application, tenantId }) => ({
      sealed: application?.sealed ?? null,
      reference: application?.ref ?? null,
      associated: applicationAssociation(tenantId),
    })),
  ];
  const texts: string[] = [];
  for (const { associated, reference, sealed } of rows) {
    if (sealed !== null) texts.push(sealed);
    try {
      if (sealed !== null) texts.push(await sealer.open(sealed, associated));
      else if (reference !== null) texts.push(await readReference(reference));
    } catch {
      // A secret that nobody here can read is in no text that is made here.
    }
  }
  return texts;
}

export async function knownSecrets(context: DoctorContext): Promise<ReadonlySet<string>> {
  const all = [
    ...ofEnvironment(context.environment),
    ...(await ofFiles(context)),
    ...(await ofDatabase(context)),
  ];
  return new Set(all.filter((secret) => secret.trim() !== ''));
}
