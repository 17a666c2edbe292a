import { spawn, spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { internalsKnownOf } from '../../src/runtime/lane/node-internals.ts';
import { createTestDatabase } from '../harness/database.ts';
import { eventually } from '../harness/eventually.ts';
import { ownEnvironment } from '../harness/own-environment.ts';
import { runCommand } from '../harness/run-espalier.ts';

/** What the command line is started with: `.env`, variables, npm, and the Node.js it runs on. */

const root = join(import.meta.dirname, '../..');
const dirs: string[] = [];
const ownDir = (): string => {
  const dir = mkdtempSync(join(tmpdir(), 'espalier-environment-'));
  dirs.push(dir);
  return dir;
};
afterAll(() => {
  for (const dir of dirs) rmSync(dir, { recursive: true, force: true });
});

const config = (file: Buffer | string, environment: Record<string, string> = {}) => {
  const cwd = ownDir();
  writeFileSync(join(cwd, '.env'), file);
  return runCommand(['config'], { cwd, environment });
};

describe('.env', () => {
  it('of an editor that writes a byte order mark has all its variables', async () => {
    const { code, stdout } = await config('\uFEFFESPALIER_TLS=off\r\nESPALIER_LOG_LEVEL="debug"\r\n');
    expect(code).toBe(0);
    expect(stdout).toContain('ESPALIER_TLS=off\n');
    expect(stdout).toContain('ESPALIER_LOG_LEVEL=debug\n');
  });

  it('in UTF-16 is refused in one line, with exit code 2', async () => {
    const { code, stderr } = await config(Buffer.from('\uFEFFESPALIER_TLS=off\r\n', 'utf16le'));
    expect({ code, lines: stderr.trim().split('\n') }).toEqual({
      code: 2,
      lines: [expect.stringMatching(/\.env is UTF-16.*UTF-8/)],
    });
  });
});

describe('a variable', () => {
  it('that nobody knows is warned about with the nearest name', async () => {
    const { code, stderr, stdout } = await config('ESPALIER_POLL_SECOND=5\n', {
      ESPALIER_INSTANCE_BERLIN: 'x',
    });
    expect(code).toBe(0);
    expect(stdout).toContain('ESPALIER_POLL_SECONDS= #');
    expect(stderr.trim().split('\n')).toEqual([
      'warning: ESPALIER_POLL_SECOND is not known and has no effect; did you mean ESPALIER_POLL_SECONDS?',
    ]);
  });

  it('of OpenTelemetry that is wrong is named, beside the other faults', async () => {
    const { code, stderr } = await config('', {
      OTEL_EXPORTER_OTLP_ENDPOINT: 'localhost:4318',
      OTEL_TRACES_SAMPLER: 'sometimes',
      ESPALIER_TLS: 'perhaps',
    });
    expect(code).toBe(2);
    expect(
      stderr
        .trim()
        .split('\n')
        .map((line) => line.split(' ')[0]),
    ).toEqual(['ESPALIER_TLS', 'OTEL_EXPORTER_OTLP_ENDPOINT', 'OTEL_TRACES_SAMPLER']);
  });
});

/** A server of this machine's own Node.js that is too old, if there is one. */
const oldNode = (process.env.PATH ?? '')
  .split(delimiter)
  .map((dir) => join(dir, 'node'))
  .find((path) => {
    const { stdout } = spawnSync(path, ['--version'], { encoding: 'utf8' });
    return Number.parseInt(stdout?.slice(1) ?? '', 10) < 24;
  });

describe('Node.js', () => {
  const main = readFileSync(join(root, 'src/cli/main.ts'), 'utf8');

  it('is asked for as package.json does', () => {
    const { engines } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
    expect(engines.node).toBe(internalsKnownOf.map((major) => `^${major}.0.0`).join(' || '));
    expect(/oldestNode = (\d+)/.exec(main)?.[1]).toBe(String(Math.min(...internalsKnownOf)));
    const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));
    expect(lock.packages[''].engines).toEqual(engines);
  });

  it.skipIf(oldNode === undefined)('that is too old is told so in one line', () => {
    const dir = ownDir();
    // As it is in the package: type stripping is newer than what is too old.
    writeFileSync(join(dir, 'main.mjs'), stripTypeScriptTypes(main));
    const { status, stderr } = spawnSync(oldNode!, [join(dir, 'main.mjs'), 'serve'], { encoding: 'utf8' });
    expect({ status, lines: stderr.trim().split('\n') }).toEqual({
      status: 1,
      lines: [expect.stringMatching(/^espalier: Node\.js 24 or 26 is needed, and this is \d+/)],
    });
  });
});

describe('npm', () => {
  // One for both: what the first start has compiled need not be compiled again.
  let checkout: string;
  beforeAll(() => {
    checkout = ownDir();
    for (const part of ['src', 'migrations', 'package.json'])
      cpSync(join(root, part), join(checkout, part), { recursive: true });
    symlinkSync(join(root, 'node_modules'), join(checkout, 'node_modules'));
  });

  it.each(['SIGTERM', 'SIGINT'] as const)('hands %s on to what it runs', async (signal) => {
    const database = await createTestDatabase();
    const dataDir = ownDir();
    const child = spawn('npm', ['run', '-s', 'espalier', '--', 'serve'], {
      cwd: checkout,
      env: {
        ...ownEnvironment(),
        HOME: checkout,
        DATABASE_URL: database.url,
        ESPALIER_SECRETS_KEY: Buffer.alloc(32, 7).toString('base64'),
        ESPALIER_TLS: 'off',
        ESPALIER_DATA_DIR: dataDir,
        ESPALIER_DATA_LISTEN: '127.0.0.1:0',
        ESPALIER_ADMIN_LISTEN: '127.0.0.1:0',
        ESPALIER_OPS_LISTEN: '127.0.0.1:0',
        // Made valid: no export may last longer than until the next one.
        OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9',
        OTEL_METRIC_EXPORT_INTERVAL: '5000',
      },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString('utf8')));
    const exited = new Promise((resolve) => child.on('close', resolve));
    await eventually(() => expect(output).toContain('"event":"ready"'), 40_000);
    const { ops } = JSON.parse(output.split('\n').find((line) => line.includes('"event":"ready"'))!);
    expect((await fetch(`${ops}/health/live`)).status).toBe(200);
    child.kill(signal);
    await exited;
    expect(output).toContain(`"event":"stopping","signal":"${signal}"`);
    await expect(fetch(`${ops}/health/live`)).rejects.toThrow();
    await database.drop();
  });
});
