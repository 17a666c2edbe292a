/**
 * Chooses the server for a command: options over environment variables over a profile (contract section 11). An API key
 * goes only to the address it was given with: a URL of its own needs a key of its own, so that no profile's key is sent
 * to another server.
 */

import { dirname } from 'node:path';
import { usageFailure } from '../failure.ts';
import { readText } from '../text-file.ts';
import { isServerUrl, type Profile, profileFilePath, readProfileFile } from './profile-file.ts';
import { expandPath, isReference, readReference } from './reference.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

export interface Connection {
  readonly url: string;
  readonly apiKey: string;
  /** PEM to trust besides the public authorities. */
  readonly ca: string | undefined;
}

/** Global options of the command line. */
export interface ConnectionOptions {
  readonly profile?: string | undefined;
  readonly server?: string | undefined;
  readonly apiKey?: string | undefined;
  readonly caFile?: string | undefined;
}

/**
 * The environment with the options put over it, so that every command reads one place. A profile named by an option
 * wins over the variables, which one named by a variable or the file's default does not.
 */
export function withOptions(environment: Environment, options: ConnectionOptions): Environment {
  const { apiKey, caFile, profile, server } = options;
  if (profile !== undefined && server !== undefined)
    throw usageFailure('--profile and --server exclude each other: a profile has its own URL');
  const named =
    profile === undefined
      ? {}
      : { ESPALIER_PROFILE: profile, ESPALIER_URL: '', ESPALIER_API_KEY: '', ESPALIER_CA_FILE: '' };
  const key =
    apiKey === undefined
      ? {}
      : {
          ESPALIER_API_KEY: readReference(apiKey, '--api-key', { environment, folder: process.cwd() }),
        };
  return {
    ...environment,
    ...named,
    ...(server === undefined ? {} : { ESPALIER_URL: server }),
    ...key,
    ...(caFile === undefined ? {} : { ESPALIER_CA_FILE: caFile }),
  };
}

const given = (value: string | undefined): string | undefined => (value === '' ? undefined : value);

function readAuthority(path: string, what: string): string {
  try {
    return readText(path);
  } catch (error) {
    throw usageFailure(`${what} cannot be read: ${(error as Error).message}`);
  }
}

interface FoundProfile extends Profile {
  readonly file: string;
}

function findProfile(environment: Environment): FoundProfile | undefined {
  const { defaultProfile, path, profiles } = readProfileFile(profileFilePath(environment));
  const name = given(environment.ESPALIER_PROFILE) ?? defaultProfile;
  if (name === undefined) return undefined;
  const profile = profiles.get(name);
  if (profile !== undefined) return { ...profile, file: path };
  const known = profiles.size === 0 ? 'there is none' : `there are ${[...profiles.keys()].join(', ')}`;
  throw usageFailure(`${path} has no profile ${name}: ${known}. "espalier profiles add ${name}" makes it`);
}

const keyOf = (profile: FoundProfile, environment: Environment): string =>
  readReference(profile.apiKey, `${profile.file}: profiles.${profile.name}.api-key`, {
    environment,
    folder: dirname(profile.file),
  });

function authorityOf(profile: FoundProfile | undefined, environment: Environment): string | undefined {
  const path = given(environment.ESPALIER_CA_FILE);
  if (path !== undefined) return readAuthority(path, `ESPALIER_CA_FILE, ${path},`);
  if (profile?.caFile === undefined) return undefined;
  const expanded = expandPath(profile.caFile, dirname(profile.file));
  return readAuthority(expanded, `${profile.file}: profiles.${profile.name}.ca-file, ${expanded},`);
}

function checkUrl(url: string): void {
  if (isServerUrl(url)) return;
  const example = 'for example ESPALIER_URL=https://localhost:9443';
  throw usageFailure(`ESPALIER_URL must be the base URL of the admin API, https://…; ${example}`);
}

/** A key that was typed into a variable by reference is looked up too: `ESPALIER_API_KEY=file:/run/secrets/key`. */
const keyText = (text: string, environment: Environment): string =>
  isReference(text) ? readReference(text, 'ESPALIER_API_KEY', { environment, folder: process.cwd() }) : text;

/** Throws a usage failure that says what is missing or wrong, and where. */
export function resolveConnection(environment: Environment): Connection {
  const connection = findConnection(environment);
  // A value that a header cannot carry, such as a second line, is no key; the message must not show it.
  if (!/^[!-~]+$/.test(connection.apiKey))
    throw usageFailure('the API key must be one line of plain characters, esp_…');
  return connection;
}

function findConnection(environment: Environment): Connection {
  const url = given(environment.ESPALIER_URL);
  const key = given(environment.ESPALIER_API_KEY);
  if (url !== undefined) {
    checkUrl(url);
    // The profile may still have the key and the authority, if it is the same server's.
    const profile = key === undefined ? findProfile(environment) : undefined;
    const same = profile !== undefined && new URL(profile.url).origin === new URL(url).origin;
    if (key === undefined && !same)
      throw usageFailure(
        'ESPALIER_API_KEY must be an admin API key, esp_…: a URL of its own needs a key of its own',
      );
    const apiKey = key === undefined && profile !== undefined ? keyOf(profile, environment) : (key ?? '');
    return {
      url,
      apiKey: keyText(apiKey, environment),
      ca: authorityOf(same ? profile : undefined, environment),
    };
  }
  const profile = findProfile(environment);
  if (profile === undefined) {
    throw usageFailure(
      'no server is given: set ESPALIER_URL (for example https://localhost:9443) and ESPALIER_API_KEY, or keep them as a profile: espalier profiles add NAME --server URL --api-key -',
    );
  }
  const apiKey = key === undefined ? keyOf(profile, environment) : keyText(key, environment);
  return { url: profile.url, apiKey, ca: authorityOf(profile, environment) };
}
