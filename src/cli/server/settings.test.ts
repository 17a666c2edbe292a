import { mkdirSync, mkdtempSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { changeProfileFile, profileFilePath, readProfileFile } from './profile-file.ts';
import { readReference } from './reference.ts';
import { resolveConnection, withOptions } from './settings.ts';

function home(config?: string): { readonly environment: Record<string, string>; readonly file: string } {
  const folder = mkdtempSync(join(tmpdir(), 'espalier-profiles-'));
  const environment = { HOME: folder, KEY: 'esp_of-variable' };
  const file = profileFilePath(environment);
  mkdirSync(dirname(file), { recursive: true });
  if (config !== undefined) writeFileSync(file, config);
  return { environment, file };
}

const two = `# servers
default-profile: prod
profiles:
  prod:
    url: https://prod.example:9443
    api-key: env:KEY
  lab:
    url: https://lab.example:9443
    api-key: file:lab.key
    ca-file: lab.pem
`;

describe('the server of a command', () => {
  it('is read from a file of profiles in UTF-16 as well, and from none in another encoding', () => {
    const { environment, file } = home();
    writeFileSync(file, Buffer.from(`\ufeff${two.replaceAll('\n', '\r\n')}`, 'utf16le'));
    expect(resolveConnection(environment)).toMatchObject({ url: 'https://prod.example:9443' });
    writeFileSync(file, Buffer.from(`# B\u00fcro\n${two}`, 'latin1'));
    expect(() => resolveConnection(environment)).toThrow(`${file} is not UTF-8: the byte 0xFC`);
  });

  it('is that of the default profile, of the named one, of the variables, of the options, each over the one before', () => {
    const { environment, file } = home(two);
    writeFileSync(join(dirname(file), 'lab.key'), 'esp_of-file\n');
    writeFileSync(join(dirname(file), 'lab.pem'), 'PEM');
    expect(resolveConnection(environment)).toEqual({
      url: 'https://prod.example:9443',
      apiKey: 'esp_of-variable',
      ca: undefined,
    });
    expect(resolveConnection({ ...environment, ESPALIER_PROFILE: 'lab' })).toEqual({
      url: 'https://lab.example:9443',
      apiKey: 'esp_of-file',
      ca: 'PEM',
    });
    const variables = {
      ...environment,
      ESPALIER_URL: 'https://other.example',
      ESPALIER_API_KEY: 'esp_other',
    };
    expect(resolveConnection(variables)).toMatchObject({ url: 'https://other.example', apiKey: 'esp_other' });
    expect(resolveConnection(withOptions(variables, { profile: 'lab' }))).toMatchObject({
      url: 'https://lab.example:9443',
      apiKey: 'esp_of-file',
    });
    const options = { server: 'https://last.example', apiKey: 'env:KEY' };
    expect(resolveConnection(withOptions(variables, options))).toMatchObject({
      url: 'https://last.example',
      apiKey: 'esp_of-variable',
    });
  });

  it('does not get the key of another address', () => {
    const { environment } = home(two);
    expect(() => resolveConnection({ ...environment, ESPALIER_URL: 'https://evil.example' })).toThrow(
      'needs a key of its own',
    );
    expect(resolveConnection({ ...environment, ESPALIER_URL: 'https://prod.example:9443/' }).apiKey).toBe(
      'esp_of-variable',
    );
    const named = { ...environment, ESPALIER_API_KEY: 'esp_x' };
    expect(resolveConnection(withOptions(named, { profile: 'prod' })).apiKey).toBe('esp_of-variable');
  });

  it('is asked for where nothing names it', () => {
    const { environment } = home();
    expect(() => resolveConnection(environment)).toThrow('ESPALIER_URL');
    expect(() => resolveConnection({ ...environment, ESPALIER_URL: 'http://plain.example' })).toThrow(
      'https://',
    );
    expect(() => resolveConnection({ ...environment, ESPALIER_PROFILE: 'lab' })).toThrow(
      'has no profile lab: there is none',
    );
    const lines = { ...environment, ESPALIER_URL: 'https://a.example', ESPALIER_API_KEY: 'esp_a\nx: y' };
    expect(() => resolveConnection(lines)).toThrow('one line');
  });
});

describe('the file of profiles', () => {
  it.each([
    [
      'profiles:\n  prod:\n    url: https://a.example\n    api-key: esp_secret\n',
      ':4: profiles.prod.api-key holds the key itself',
    ],
    ['profiles:\n  prod:\n    url: http://a.example\n    api-key: env:A\n', ':3: profiles.prod.url must be'],
    ['profiles:\n  prod:\n    url: https://a.example\n', ':3: profiles.prod.api-key is missing'],
    [
      'profiles:\n  prod:\n    url: https://a.example\n    api-key: env:A\n    colour: red\n',
      ':5: profiles.prod.colour is not known',
    ],
    ['profiles: [a]\n', ':1: profiles must map'],
    ['default-profile: gone\n', ':1: default-profile names gone'],
    ['profiles:\n  a: b: c\n', ':2:'],
    ['- list\n', ':1: the file must have'],
  ])('says file, line and field of the fault in %j', (text, expected) => {
    const { file } = home(text);
    let message = '';
    try {
      readProfileFile(file);
    } catch (error) {
      message = (error as Error).message;
    }
    expect(message).toContain(`${file}${expected}`);
    expect(message).not.toContain('esp_secret');
  });

  it('follows XDG_CONFIG_HOME when it is an absolute path', () => {
    expect(profileFilePath({ HOME: '/home/a', XDG_CONFIG_HOME: '/etc/xdg' })).toBe(
      '/etc/xdg/espalier/config.yaml',
    );
    expect(profileFilePath({ HOME: '/home/a', XDG_CONFIG_HOME: 'xdg' })).toBe(
      '/home/a/.config/espalier/config.yaml',
    );
  });

  it('keeps comments when it is changed and belongs to its owner only', () => {
    const { file } = home(two);
    changeProfileFile(file, (document) => document.setIn(['default-profile'], 'lab'));
    expect(readFileSync(file, 'utf8')).toBe(two.replace('default-profile: prod', 'default-profile: lab'));
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });
});

describe('a reference to a secret', () => {
  const folder = mkdtempSync(join(tmpdir(), 'espalier-secrets-'));
  const context = { environment: { A: 'secret-a', EMPTY: '' }, folder };
  writeFileSync(join(folder, 'b'), 'secret-b\r\n');
  writeFileSync(join(folder, 'blank'), '\n');
  writeFileSync(join(folder, 'utf16'), Buffer.from('\ufeffsecret-b\r\n', 'utf16le'));
  writeFileSync(join(folder, 'marked'), '\ufeffsecret-b\n');
  writeFileSync(join(folder, 'latin1'), Buffer.from('secret-in-clear\u00e9', 'latin1'));

  it('is read from a variable or a file, without the end of its line', () => {
    expect(readReference('env:A', '--x', context)).toBe('secret-a');
    expect(readReference('file:b', '--x', context)).toBe('secret-b');
    expect(readReference(`file:${folder}/b`, '--x', context)).toBe('secret-b');
    // Windows' editors and PowerShell write files in this form.
    expect(readReference('file:utf16', '--x', context)).toBe('secret-b');
    expect(readReference('file:marked', '--x', context)).toBe('secret-b');
  });

  it.each([
    ['secret-in-clear', '--x: must be env:NAME or file:PATH'],
    ['env:', '--x: env: needs the name'],
    ['env:not-a-name', '--x: env: needs the name'],
    ['env:ABSENT', '--x: the environment variable ABSENT is not set'],
    ['env:EMPTY', '--x: the environment variable EMPTY is empty'],
    ['file:absent', 'absent cannot be read (ENOENT)'],
    ['file:blank', 'blank is empty'],
    ['file:latin1', 'latin1 is not UTF-8: the byte 0xE9'],
    ['file:', '--x: must be env:NAME or file:PATH'],
  ])('%j is refused with what is wrong, without the text itself', (reference, expected) => {
    let message = '';
    try {
      readReference(reference, '--x', context);
    } catch (error) {
      message = (error as Error).message;
    }
    expect(message).toContain(expected);
    expect(message).not.toContain('secret-in-clear');
  });
});
