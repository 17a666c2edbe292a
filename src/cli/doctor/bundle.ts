/** `doctor --bundle`: what an engineer asks for first, in one file without secrets. docs/doctor.md lists it. */

import { open } from 'node:fs/promises';
import { resolve } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { ConfigSource } from '../../runtime/config.ts';
import { version } from '../../version.ts';
import { CommandFailure, exitCodes } from '../admin-api.ts';
import {
  configurationText,
  convergenceOf,
  errorsOf,
  historyOf,
  instancesOf,
  metricsOf,
  migrationsOf,
  reportsOf,
  tenantsOf,
  versionsOf,
} from './bundle-data.ts';
import type { DoctorContext } from './context.ts';
import type { Line } from './line.ts';
import { createHide, type Hide, type Scrub } from './scrub.ts';
import { makeTar } from './tar.ts';

export interface BundleOptions {
  readonly context: DoctorContext;
  readonly source: ConfigSource;
  readonly lines: readonly Line[];
  readonly at: Date;
  readonly scrub: Scrub;
  /** `true`: under a name with the time in it, in the working directory. */
  readonly file: string | true;
}

/** Each part of a bundle: its file's name, and what it holds. */
export const bundleFiles = {
  'doctor.json': 'the lines of doctor',
  'configuration.txt': 'the settings in force, secrets masked',
  'versions.json': 'versions of Espalier, Node.js, the system and PostgreSQL',
  'migrations.json': 'the newest migration of the database and of this build',
  'tenants.json': 'the selected tenants: connection, partner state, permissions, number of devices',
  'instances.json': 'the selected instances: version, last contact, last errors',
  'reports.json': 'numbers of reports, computers and moves by state and reason',
  'errors.json': 'the most frequent errors, without what they quote',
  'history.json': 'the newest entries of the history: when, what, to what',
  'convergence.json': 'gateway processes and the version of the routes that each serves',
  'metrics.txt': "the gateway's metrics",
} as const;

type BundleFile = keyof typeof bundleFiles;

const leftOut = [
  'secrets, keys, tokens and passwords: removed wherever they stood',
  'device ids, serial numbers, names of users and Macs: personal data; ids are hashed with a key that was thrown away',
  'authors of the history are hashed; what was written, reasons and addresses are left out',
  'the snapshot of the data directory: sealed, and it holds the routes of every device',
  'logs: they go to standard output and are not kept; add those of the time in question from where they are collected',
];

/** A certificate's names are in quotes and are nobody's; what a tenant's or an instance's line quotes may be somebody's. */
const hiddenLine = (line: Line, hide: Hide): Line => {
  const found = /^(tenant|instance)\./.test(line.check) ? hide.text(line.found) : hide.ids(line.found);
  return { ...line, found };
};

type Part = { readonly text: string } | { readonly missing: string };

const json = (value: unknown): Part => ({ text: `${JSON.stringify(value, null, 2)}\n` });

async function partOf(
  name: BundleFile,
  { context, lines, source }: BundleOptions,
  hide: Hide,
): Promise<Part> {
  switch (name) {
    case 'doctor.json':
      return json(lines.map((line) => hiddenLine(line, hide)));
    case 'configuration.txt':
      return { text: configurationText(source) };
    case 'versions.json':
      return json(versionsOf(context));
    case 'migrations.json':
      return json(migrationsOf(context));
    case 'metrics.txt':
      return metricsOf(context);
    default:
      return partOfDatabase(name, context, hide);
  }
}

async function partOfDatabase(
  name: Exclude<
    BundleFile,
    'configuration.txt' | 'doctor.json' | 'metrics.txt' | 'migrations.json' | 'versions.json'
  >,
  context: DoctorContext,
  hide: Hide,
): Promise<Part> {
  const { database } = context.inspection;
  if (database.state !== 'there') return { missing: `the database is ${database.state}` };
  try {
    switch (name) {
      case 'tenants.json':
        return json(await tenantsOf(context));
      case 'instances.json':
        return json(await instancesOf(context, hide));
      case 'reports.json':
        return json(await reportsOf(context));
      case 'errors.json':
        return json(await errorsOf(context, hide));
      case 'history.json':
        return json(await historyOf(context, hide));
      case 'convergence.json':
        return json(await convergenceOf(context));
    }
  } catch (error) {
    // A bundle is asked for when something is broken: the rest of it is worth having.
    return {
      missing: `the database refused (${(error as { code?: string }).code ?? (error as Error).name})`,
    };
  }
}

/** Ids that support needs as they are. */
function knownIds({ config, instances, tenants }: DoctorContext): ReadonlySet<string> {
  const clouds = [...config.clouds.keys()];
  const applications = clouds.flatMap((cloud) => [
    config.connector(cloud)?.clientId,
    config.diagnostic(cloud)?.clientId,
    config.userAppClientId(cloud),
  ]);
  const ids = [
    ...tenants.map(({ tenantId }) => tenantId),
    ...instances.map(({ instanceId }) => instanceId),
    ...applications,
  ];
  return new Set(ids.flatMap((id) => (id === undefined ? [] : [id.toLowerCase()])));
}

/** Readable by its owner alone; what is there already is not overwritten. */
async function write(path: string, content: Uint8Array): Promise<void> {
  try {
    const file = await open(path, 'wx', 0o600);
    try {
      await file.writeFile(content);
    } finally {
      await file.close();
    }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new CommandFailure(
      exitCodes.error,
      code === 'EEXIST'
        ? `${path} is there already; name another file`
        : `${path} cannot be written (${code})`,
    );
  }
}

/** Writes the bundle; resolves to its path. Throws `CommandFailure` when the file cannot be written. */
export async function writeBundle(options: BundleOptions): Promise<string> {
  const { at, context, file, scrub } = options;
  const stamp = at.toISOString().replace(/\.\d+/, '').replaceAll(/[-:]/g, '');
  const folder = `espalier-support-${stamp}`;
  const path = resolve(file === true ? `${folder}.tar.gz` : file);
  const hide = createHide(knownIds(context), scrub);
  const files: { name: string; content: Buffer }[] = [];
  const listed: object[] = [];
  for (const [name, holds] of Object.entries(bundleFiles) as [BundleFile, string][]) {
    const part = await partOf(name, options, hide);
    if ('missing' in part) {
      listed.push({ name, holds, missing: part.missing });
      continue;
    }
    const content = Buffer.from(scrub(part.text), 'utf8');
    files.push({ name: `${folder}/${name}`, content });
    listed.push({ name, holds, bytes: content.byteLength });
  }
  const manifest = { madeAt: at, espalier: version, files: listed, leftOut };
  const content = Buffer.from(`${JSON.stringify(manifest, null, 2)}\n`, 'utf8');
  await write(path, gzipSync(makeTar([{ name: `${folder}/manifest.json`, content }, ...files], at)));
  return path;
}
