/** Profiles of servers, `~/.config/espalier/config.yaml` (contract section 11), in the manner of jamf-cli's. */

import { chmodSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { type Document, isMap, isScalar, LineCounter, parseDocument } from 'yaml';
import { isRecord } from '../../untrusted/bounded-json.ts';
import { usageFailure } from '../failure.ts';
import { EncodingFault, readText } from '../text-file.ts';
import { isReference } from './reference.ts';

export interface Profile {
  readonly name: string;
  readonly url: string;
  /** A reference, never the key. */
  readonly apiKey: string;
  readonly caFile: string | undefined;
}

export interface ProfileFile {
  readonly path: string;
  readonly defaultProfile: string | undefined;
  readonly profiles: ReadonlyMap<string, Profile>;
}

const fieldNames = ['url', 'api-key', 'ca-file'];
export const profileName = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

export function profileFilePath(environment: Readonly<Record<string, string | undefined>>): string {
  const base = environment.XDG_CONFIG_HOME ?? '';
  const home = environment.HOME ?? '';
  const config = base.startsWith('/') ? base : join(home === '' ? homedir() : home, '.config');
  return join(config, 'espalier', 'config.yaml');
}

type Path = readonly string[];
type Fault = (path: Path, problem: string) => Error;

function textOf(path: string): string {
  try {
    return readText(path);
  } catch (error) {
    if (error instanceof EncodingFault) throw usageFailure(`${path} ${error.message}`);
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' || code === 'ENOTDIR') return '';
    throw usageFailure(`${path} cannot be read (${code})`);
  }
}

/** The document with a maker of errors that name file, line and field. */
function parse(file: string, text: string): { document: Document.Parsed; fault: Fault } {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines });
  const broken = document.errors[0];
  if (broken !== undefined) {
    const { col, line } = lines.linePos(broken.pos[0]);
    throw usageFailure(`${file}:${line}:${col}: is not YAML: ${broken.message.split('\n')[0]}`);
  }
  const lineOf = (path: Path): number => {
    for (let length = path.length; length > 0; length -= 1) {
      const node: unknown = document.getIn(path.slice(0, length), true);
      if ((isScalar(node) || isMap(node)) && node.range) return lines.linePos(node.range[0]).line;
    }
    return 1;
  };
  const fault: Fault = (path, problem) =>
    usageFailure(`${file}:${lineOf(path)}: ${path.length === 0 ? 'the file' : path.join('.')} ${problem}`);
  return { document, fault };
}

function optionalText(value: unknown, path: Path, fault: Fault): string | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'string' || value === '') throw fault(path, 'must be a text');
  return value;
}

export const isServerUrl = (text: string): boolean =>
  URL.canParse(text) && new URL(text).protocol === 'https:';

function profileOf(name: string, value: unknown, fault: Fault): Profile {
  const path = ['profiles', name];
  if (!profileName.test(name))
    throw fault(path, 'is no name of a profile: letters, digits, . _ - and at most 64');
  if (!isRecord(value)) throw fault(path, 'must have the fields url and api-key');
  const unknown = Object.keys(value).find((field) => !fieldNames.includes(field));
  if (unknown !== undefined)
    throw fault([...path, unknown], `is not known here; a profile has ${fieldNames.join(', ')}`);
  const url = optionalText(value.url, [...path, 'url'], fault);
  if (url === undefined || !isServerUrl(url))
    throw fault(
      [...path, 'url'],
      'must be the base URL of the admin API, for example https://localhost:9443',
    );
  const apiKey = optionalText(value['api-key'], [...path, 'api-key'], fault);
  if (apiKey === undefined || !isReference(apiKey)) {
    const why =
      apiKey === undefined ? 'is missing' : 'holds the key itself, which a file that is copied gives away';
    throw fault(
      [...path, 'api-key'],
      `${why}; it must be env:NAME or file:PATH. "espalier profiles add ${name} --server ${url} --api-key -" asks for the key and keeps it in a file of its own`,
    );
  }
  return { name, url, apiKey, caFile: optionalText(value['ca-file'], [...path, 'ca-file'], fault) };
}

/** A file that is not there has no profiles. Throws a usage failure that names file, line and field. */
export function readProfileFile(path: string): ProfileFile {
  const { document, fault } = parse(path, textOf(path));
  const root: unknown = document.toJS() ?? {};
  if (!isRecord(root)) throw fault([], 'must have the fields default-profile and profiles');
  const unknown = Object.keys(root).find((field) => !['default-profile', 'profiles'].includes(field));
  if (unknown !== undefined)
    throw fault([unknown], 'is not known here; the file has default-profile and profiles');
  const profiles = root.profiles ?? {};
  if (!isRecord(profiles)) throw fault(['profiles'], 'must map names to profiles');
  const read = new Map(
    Object.entries(profiles).map(([name, value]) => [name, profileOf(name, value, fault)]),
  );
  const defaultProfile = optionalText(root['default-profile'], ['default-profile'], fault);
  if (defaultProfile !== undefined && !read.has(defaultProfile))
    throw fault(['default-profile'], `names ${defaultProfile}, which is no profile of this file`);
  return { path, defaultProfile, profiles: read };
}

/** Changes the file and keeps its comments; a new one is for its owner only. */
export function changeProfileFile(path: string, change: (document: Document) => void): void {
  const { document } = parse(path, textOf(path));
  change(document);
  writePrivate(path, document.toString());
}

/** Written beside and renamed, so that nobody reads half of it; mode 0600 in a folder of mode 0700. */
export function writePrivate(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const beside = `${path}.${process.pid}.new`;
  writeFileSync(beside, text, { mode: 0o600 });
  chmodSync(beside, 0o600);
  renameSync(beside, path);
}
