import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createEmptyDatabase } from '../harness/database.ts';
import { bootstrapKey, startScene } from '../harness/gateway.ts';

/**
 * The package as npm makes and installs it, with what npm itself resolves from the registry, and without this checkout
 * in sight.
 */

const run = promisify(execFile);
const root = fileURLToPath(new URL('../..', import.meta.url));
/** npm's own settings, its proxy and registry included, are those of whoever runs the tests; Espalier's are not. */
const npmEnvironment = {
  ...Object.fromEntries(
    Object.entries(process.env).filter(([name]) =>
      /^(npm_config_|https?_proxy|no_proxy|NODE_EXTRA_CA)/i.test(name),
    ),
  ),
  npm_config_audit: 'false',
  npm_config_fund: 'false',
  npm_config_update_notifier: 'false',
};
const environment = {
  // The pinned Node.js first, as in npm scripts.
  PATH: `${dirname(process.execPath)}:${process.env.PATH}`,
  HOME: process.env.HOME ?? '/',
  ...npmEnvironment,
};

let dir: string;
let tarball: string;

const npm = (args: readonly string[], cwd: string) =>
  run('npm', [...args, '--prefer-offline'], { cwd, env: environment, maxBuffer: 1e8 });

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'espalier-package-'));
  await npm(['pack', '--pack-destination', dir], root);
  tarball = join(dir, readdirSync(dir).find((name) => name.endsWith('.tgz'))!);
}, 120_000);
afterAll(() => rmSync(dir, { recursive: true, force: true }), 180_000);

function emptyProject(name: string): string {
  const project = join(dir, name);
  mkdirSync(project);
  writeFileSync(join(project, 'package.json'), JSON.stringify({ name, version: '1.0.0', private: true }));
  return project;
}

/** Starts it until it is ready, asks for its health, and ends it by SIGTERM; resolves to what it answered and its exit code. */
async function serveOnce(
  command: string,
  args: readonly string[],
  cwd: string,
  more: Record<string, string> = {},
): Promise<{ health: number; code: number | null }> {
  const child: ChildProcess = spawn(command, [...args], {
    cwd,
    env: {
      ...environment,
      ESPALIER_DRAIN_DELAY_SECONDS: '0',
      ESPALIER_DATA_DIR: join(cwd, 'data'),
      ESPALIER_DATA_LISTEN: '127.0.0.1:0',
      ESPALIER_ADMIN_LISTEN: '127.0.0.1:0',
      ESPALIER_OPS_LISTEN: '127.0.0.1:0',
      ...more,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  let output = '';
  const exited = new Promise<number | null>((resolve) => child.on('exit', (code) => resolve(code)));
  const ready = await new Promise<{ ops: string }>((resolve, reject) => {
    const look = (chunk: Buffer): void => {
      output += chunk.toString('utf8');
      const line = output.split('\n').find((one) => one.includes('"event":"ready"'));
      if (line !== undefined) resolve(JSON.parse(line) as { ops: string });
    };
    child.stdout?.on('data', look);
    child.stderr?.on('data', look);
    void exited.then((code) => reject(new Error(`it ended with ${code}:\n${output}`)));
  });
  const { status } = await fetch(`${ready.ops}/health/ready`);
  // Its whole group, as a terminal does: npx stands between.
  process.kill(-child.pid!, 'SIGTERM');
  return { health: status, code: await exited };
}

const well = { health: 200, code: 0 };

describe('the packed package', () => {
  it('holds its driver patched, and no other copy of it', async () => {
    const { stdout } = await run('tar', ['tzf', tarball]);
    const files = stdout.split('\n');
    expect(files).toContain('package/node_modules/postgres/src/connection.js');
    expect(files).toContain('package/dist/cli/main.js');
    expect(files).toContain('package/migrations/meta/_journal.json');
    expect(files).toContain('package/NOTICE');
  });

  it('serves from a folder, by npx too, without development dependencies and with install scripts blocked', async () => {
    const project = emptyProject('local');
    await npm(['install', tarball, '--omit=dev', '--ignore-scripts'], project);
    const program = join(project, 'node_modules', '.bin', 'espalier');
    // The embedded database first: its programs lack what the blocked scripts would have made.
    expect(await serveOnce(program, ['serve'], project)).toEqual(well);
    expect(await serveOnce('npx', ['--no-install', 'espalier', 'serve'], project)).toMatchObject({
      health: 200,
    });
    const database = await createEmptyDatabase();
    const given = {
      DATABASE_URL: database.url,
      ESPALIER_SECRETS_KEY: Buffer.alloc(32, 7).toString('base64'),
    };
    expect(await serveOnce(program, ['serve'], project, given)).toEqual(well);
    await database.drop();
  }, 180_000);

  it('has a typed client for other programs', async () => {
    const project = join(dir, 'local');
    const source = `
import { createClient, EspalierError, type Tenant } from 'espalier/client';
const espalier = createClient({ url: process.argv[2] ?? '', apiKey: process.argv[3] ?? '' });
const tenantId = '3f2504e0-4f89-41d3-9a0c-0305e82c3301';
await espalier.request('POST /tenants', { body: { tenantId, displayName: 'Contoso' } });
const { results } = await espalier.request('GET /tenants', { query: { sort: 'displayName:asc' } });
const names: string[] = results.map((one: Tenant) => one.displayName);
// @ts-expect-error there is no such operation
const misspelt: Promise<unknown> = espalier.request('GET /tenant').catch(() => undefined);
// @ts-expect-error a tenant has no such member
const member: unknown = results[0]?.displayNam;
// @ts-expect-error the path needs its parameter
const without = () => espalier.request('DELETE /tenants/{tenantId}');
const gone = await espalier.request('GET /keys/{keyId}', { path: { keyId: tenantId } }).catch((error: unknown) => error);
await misspelt;
console.log(JSON.stringify({ names, member, without: typeof without, status: gone instanceof EspalierError && gone.status }));
`;
    writeFileSync(join(project, 'consumer.mts'), source);
    writeFileSync(
      join(project, 'tsconfig.json'),
      JSON.stringify({
        compilerOptions: {
          ...{ module: 'NodeNext', target: 'ES2024', strict: true, noEmit: true, skipLibCheck: false },
          ...{ lib: ['ES2024', 'DOM'], types: ['node'], typeRoots: [join(root, 'node_modules/@types')] },
        },
        files: ['consumer.mts'],
      }),
    );
    const compiler = join(root, 'node_modules/typescript/bin/tsc');
    await run(process.execPath, [compiler, '-p', project], { cwd: project, env: environment }).catch(
      ({ stdout }: { stdout: string }) => expect(stdout).toBe(''),
    );
    const scene = await startScene({ world: { clouds: ['public'], tenants: [] } });
    writeFileSync(join(project, 'gateway.crt'), scene.trust);
    const { stdout } = await run(process.execPath, ['consumer.mts', scene.gateway.admin, bootstrapKey], {
      cwd: project,
      env: { ...environment, NODE_EXTRA_CA_CERTS: join(project, 'gateway.crt') },
    });
    await scene.close();
    expect(JSON.parse(stdout)).toEqual({ names: ['Contoso'], without: 'function', status: 404 });
  }, 180_000);

  it('serves where it is installed globally, with its install scripts', async () => {
    const prefix = join(dir, 'global');
    mkdirSync(prefix);
    await npm(['install', '--global', '--prefix', prefix, tarball], dir);
    expect(await serveOnce(join(prefix, 'bin', 'espalier'), ['serve'], prefix)).toEqual(well);
  }, 180_000);

  it('refuses to start with a driver that is not patched, in one line', async () => {
    const project = join(dir, 'local');
    const driver = join(
      project,
      'node_modules',
      'espalier',
      'node_modules',
      'postgres',
      'src',
      'connection.js',
    );
    const patched = readFileSync(driver, 'utf8');
    writeFileSync(driver, patched.replace('return void retries++', 'return'));
    const failed = await run(join(project, 'node_modules', '.bin', 'espalier'), ['serve'], {
      cwd: project,
      env: environment,
    }).catch((error: { code: number; stderr: string }) => error);
    writeFileSync(driver, patched);
    expect(failed).toMatchObject({ code: 1 });
    expect(failed.stderr).toMatch(/^espalier: the database driver in \S+ lacks Espalier's patch/);
    expect(failed.stderr.trim().split('\n')).toHaveLength(1);
  });
});
