import { rmSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import type { Document } from 'yaml';
import { connectTo, openAdminApi } from '../admin-api.ts';
import { configSource } from '../environment.ts';
import { usageFailure } from '../failure.ts';
import { fieldOf, isRow } from '../output/fields.ts';
import { writeList } from '../output/list.ts';
import { formats, standardOutput } from '../output/output.ts';
import {
  changeProfileFile,
  isServerUrl,
  type ProfileFile,
  profileFilePath,
  profileName,
  readProfileFile,
  writePrivate,
} from '../server/profile-file.ts';
import { isReference, readReference } from '../server/reference.ts';
import { askSecret } from '../server/secret-input.ts';
import { type ConnectionOptions, resolveConnection, withOptions } from '../server/settings.ts';
import { checkConfirmable, confirm } from './confirmation.ts';

export interface AddProfile extends ConnectionOptions {
  /** `--no-test` does not try it. */
  readonly test: boolean;
}

const pathNow = (): string => profileFilePath(configSource().environment);
const readNow = (): ProfileFile => readProfileFile(pathNow());
const keyFile = (path: string, name: string): string => join(dirname(path), 'keys', name);
const say = (text: string): void => {
  process.stderr.write(`${text}\n`);
};

function known(file: ProfileFile, name: string): void {
  if (file.profiles.has(name)) return;
  const names = [...file.profiles.keys()];
  const there = names.length === 0 ? 'there is none' : `there are ${names.join(', ')}`;
  throw usageFailure(`${file.path} has no profile ${name}: ${there}`);
}

export async function listProfiles(format: unknown): Promise<void> {
  const { defaultProfile, profiles } = readNow();
  const output = standardOutput(formats.find((one) => one === format) ?? 'table');
  const results = [...profiles.values()].map(({ apiKey, caFile, name, url }) => ({
    name,
    url,
    apiKey,
    caFile: caFile ?? null,
    default: name === defaultProfile,
  }));
  const fields = ['name', 'default', 'url', 'apiKey', 'caFile'];
  async function* pages() {
    yield { totalCount: results.length, results };
  }
  await writeList(output, pages(), { columns: fields.map((field) => ({ field })), fields });
}

export function listProfileNames(): void {
  for (const name of readNow().profiles.keys()) process.stdout.write(`${name}\n`);
}

interface Candidate {
  readonly url: string;
  readonly apiKey: string;
  readonly caFile: string | undefined;
}

/** Proven before it is written, so that a mistyped key is noticed now and not in tomorrow's script. */
async function tryServer({ apiKey, caFile, url }: Candidate): Promise<void> {
  const environment = {
    ...configSource().environment,
    ESPALIER_URL: url,
    ESPALIER_API_KEY: apiKey,
    ESPALIER_CA_FILE: caFile ?? '',
  };
  const answer = await connectTo(resolveConnection(environment)).call('GET', '/version');
  say(
    `${url} answers: Espalier ${String(isRow(answer) ? fieldOf(answer, 'version') : 'of unknown version')}`,
  );
}

function setProfile(document: Document, name: string, profile: Candidate, first: boolean): void {
  const { apiKey, caFile, url } = profile;
  const value = { url, 'api-key': apiKey, ...(caFile === undefined ? {} : { 'ca-file': caFile }) };
  document.setIn(['profiles', name], document.createNode(value));
  if (first) document.setIn(['default-profile'], name);
}

/** The profile to be kept, and the key to try it with. */
async function keyFor(name: string, file: ProfileFile, { apiKey, server, test }: AddProfile) {
  if (apiKey === undefined)
    throw usageFailure('--api-key is needed: env:NAME, file:PATH, or - to ask for it');
  if (apiKey === '-') {
    const key = await askSecret(`API key of ${server}`);
    const own = keyFile(file.path, name);
    return { reference: `file:${own}`, key, keep: () => writePrivate(own, `${key}\n`) };
  }
  // A relative path would be looked up from the folder of the profiles later.
  const reference = apiKey.startsWith('file:') ? `file:${resolve(apiKey.slice(5))}` : apiKey;
  const context = { environment: configSource().environment, folder: process.cwd() };
  const key = test || !isReference(reference) ? readReference(reference, '--api-key', context) : '';
  return { reference, key, keep: () => undefined };
}

export async function addProfile(name: string, options: AddProfile): Promise<void> {
  const file = readNow();
  const { server } = options;
  if (!profileName.test(name))
    throw usageFailure(`${name} is no name of a profile: letters, digits, . _ - and at most 64`);
  if (server === undefined || !isServerUrl(server))
    throw usageFailure('--server must be the base URL of the admin API, for example https://localhost:9443');
  const { keep, key, reference } = await keyFor(name, file, options);
  const caFile = options.caFile === undefined ? undefined : resolve(options.caFile);
  if (options.test) await tryServer({ url: server, apiKey: key, caFile });
  keep();
  const first = file.profiles.size === 0;
  changeProfileFile(file.path, (document) =>
    setProfile(document, name, { url: server, apiKey: reference, caFile }, first),
  );
  say(`${name} is in ${file.path}${first ? ' and used if none is named' : ''}`);
}

export async function removeProfile(name: string, confirmed: boolean): Promise<void> {
  const file = readNow();
  known(file, name);
  checkConfirmable(confirmed);
  if (!confirmed) await confirm(standardOutput('table'), `Remove the profile ${name}?`, []);
  changeProfileFile(file.path, (document) => {
    document.deleteIn(['profiles', name]);
    if (file.defaultProfile === name) document.deleteIn(['default-profile']);
  });
  const own = keyFile(file.path, name);
  if (file.profiles.get(name)?.apiKey === `file:${own}`) rmSync(own, { force: true });
  say(`${name} is removed`);
}

export function useProfile(name: string): void {
  const file = readNow();
  known(file, name);
  changeProfileFile(file.path, (document) => document.setIn(['default-profile'], name));
  say(`${name} is used if none is named`);
}

export async function testProfile(name: string | undefined): Promise<void> {
  const { environment } = configSource();
  const api = openAdminApi(name === undefined ? environment : withOptions(environment, { profile: name }));
  const answer = await api.call('GET', '/version');
  say(
    `${api.url} answers: Espalier ${String(isRow(answer) ? fieldOf(answer, 'version') : 'of unknown version')}`,
  );
}
