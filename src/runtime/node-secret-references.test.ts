import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SecretUnreadable } from '../secrets/reference.ts';
import { createReferenceReader } from './node-secret-references.ts';

let root: string;
let dir: string;

beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'espalier-references-'));
  dir = join(root, 'secrets');
  mkdirSync(join(dir, '..data'), { recursive: true });
  writeFileSync(join(dir, 'plain'), ' the secret \n');
  writeFileSync(join(dir, 'empty'), '\n');
  writeFileSync(join(dir, 'long'), 'x'.repeat(4_097));
  writeFileSync(join(dir, 'longest'), 'x'.repeat(4_096));
  writeFileSync(join(root, 'outside'), 'not to be read');
  mkdirSync(join(root, 'secrets-of-others'));
  writeFileSync(join(root, 'secrets-of-others', 'one'), 'not to be read');
  // The secret is mounted as by Kubernetes: a link to a link.
  writeFileSync(join(dir, '..data', 'mounted'), 'mounted');
  symlinkSync('..data/mounted', join(dir, 'mounted'));
  symlinkSync(join(root, 'outside'), join(dir, 'leads-out'));
  symlinkSync('/proc/self/environ', join(dir, 'environment'));
  mkdirSync(join(dir, 'folder'));
  execFileSync('mkfifo', [join(dir, 'fifo')]);
});
afterAll(() => rmSync(root, { recursive: true }));

const outcome = async (reference: string, secretsDir: string | undefined = dir): Promise<string> => {
  try {
    return await createReferenceReader(secretsDir)(reference);
  } catch (error) {
    if (!(error instanceof SecretUnreadable)) throw error;
    expect(error.message).toContain(reference);
    expect(error.message).not.toMatch(/not to be read|the secret/);
    return error.refused ? 'refused' : 'missing';
  }
};
const inDir = (name: string): string => `file:${join(dir, name)}`;

describe('a file', () => {
  test.each([
    ['plain', 'the secret'],
    ['mounted', 'mounted'],
    ['./plain', 'the secret'],
    ['longest', 'x'.repeat(4_096)],
    ['missing', 'missing'],
    ['missing/deeper', 'missing'],
    ['empty', 'missing'],
    ['leads-out', 'refused'],
    ['environment', 'refused'],
    ['fifo', 'refused'],
    ['folder', 'refused'],
    ['long', 'refused'],
    ['../outside', 'refused'],
    ['../secrets-of-others/one', 'refused'],
  ])('%s in the directory: %s', async (name, expected) => {
    expect(await outcome(`file:${dir}/${name}`)).toBe(expected);
  });

  test.each(['/proc/self/environ', '/etc/shadow', '/dev/zero', '/'])('%s is not read', async (path) => {
    expect(await outcome(`file:${path}`)).toBe('refused');
  });

  test('is read from nowhere while no directory is set', async () => {
    const read = createReferenceReader(undefined);
    await expect(read(inDir('plain'))).rejects.toThrow('ESPALIER_SECRETS_DIR is not set');
  });

  test('is read through a directory that is itself a link', async () => {
    const link = join(root, 'link');
    symlinkSync(dir, link);
    expect(await outcome(`file:${link}/plain`, link)).toBe('the secret');
    expect(await outcome(`file:${link}/leads-out`, link)).toBe('refused');
  });

  test('counts anew at each read', async () => {
    const read = createReferenceReader(dir);
    writeFileSync(join(dir, 'rotated'), 'one');
    expect(await read(inDir('rotated'))).toBe('one');
    writeFileSync(join(dir, 'rotated'), 'two');
    expect(await read(inDir('rotated'))).toBe('two');
  });
});

describe('a variable', () => {
  test.each([
    'DATABASE_URL',
    'database_url',
    'ESPALIER_SECRETS_KEY',
    'ESPALIER_BOOTSTRAP_KEY',
    'ESPALIER_ENTRA_CLIENT_SECRET_USGOV_NEXT',
    'ESPALIER_INSTANCE',
    'OTEL_EXPORTER_OTLP_HEADERS',
    'PGPASSWORD',
    'NODE_OPTIONS',
    'NPM_TOKEN',
    'npm_config__auth',
    'HTTPS_PROXY',
    'https_proxy',
    'AWS_SECRET_ACCESS_KEY',
  ])("%s is the gateway's own, set or not", async (name) => {
    expect(await outcome(`env:${name}`)).toBe('refused');
  });

  test('of an instance is read, and missing when it is not set or empty', async () => {
    process.env.ESPALIER_INSTANCE_TEST = 'secret';
    process.env.ESPALIER_INSTANCE_EMPTY = '';
    try {
      expect(await outcome('env:ESPALIER_INSTANCE_TEST')).toBe('secret');
      expect(await outcome('env:ESPALIER_INSTANCE_EMPTY')).toBe('missing');
      expect(await outcome('env:ESPALIER_INSTANCE_ABSENT')).toBe('missing');
    } finally {
      delete process.env.ESPALIER_INSTANCE_TEST;
      delete process.env.ESPALIER_INSTANCE_EMPTY;
    }
  });
});
