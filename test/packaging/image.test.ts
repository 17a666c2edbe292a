/**
 * The Dockerfile, built by buildah on base images of Debian's packages, and the image in use: a gateway with its embedded
 * database that serves, tells its health and drains, with no more than the compose file gives it. Minutes long.
 */

import { execFileSync, spawn } from 'node:child_process';
import {
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { childrenOf } from '../harness/children.ts';
import { eventually } from '../harness/eventually.ts';
import { freePort } from '../harness/ports.ts';
import { lacks } from './programs.ts';

const root = join(import.meta.dirname, '../..');

interface ImageConfig {
  readonly User: string;
  readonly Env: readonly string[];
  readonly Entrypoint: readonly string[];
  readonly Cmd: readonly string[];
  readonly StopSignal: string;
  readonly Volumes: Readonly<Record<string, object>>;
  readonly ExposedPorts: Readonly<Record<string, object>>;
  readonly Healthcheck: { readonly Test: readonly string[] };
}

describe.skipIf(lacks('buildah', 'debootstrap') || process.getuid?.() !== 0)('the image', () => {
  const work = mkdtempSync(join(tmpdir(), 'espalier-image-'));
  const storage = join(work, 'storage.conf');
  const environment = { ...process.env, CONTAINERS_STORAGE_CONF: storage };
  const buildah = (...args: readonly string[]): string =>
    execFileSync('buildah', args, {
      cwd: root,
      env: environment,
      encoding: 'utf8',
      stdio: 'pipe',
      maxBuffer: 1e8,
    });
  let config: ImageConfig;
  /** Its files, as a container sees them. */
  let files: string;

  beforeAll(() => {
    writeFileSync(
      storage,
      `[storage]\ndriver = "overlay"\nrunroot = "${work}/run"\ngraphroot = "${work}/graph"\n`,
    );
    execFileSync(join(import.meta.dirname, 'base-images.sh'), [work, process.execPath], {
      env: environment,
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    const cache = execFileSync('npm', ['config', 'get', 'cache'], { encoding: 'utf8' }).trim();
    mkdirSync(cache, { recursive: true });
    // Steps run in a chroot on the machine's network, with npm's cache; the base images are here and nowhere else.
    buildah(
      ...['bud', '--format', 'docker', '--isolation', 'chroot', '--network', 'host', '--pull-never'],
      ...['--volume', `${cache}:/root/.npm`, '--tag', 'espalier:local', '.'],
    );
    config = (JSON.parse(buildah('inspect', 'espalier:local')) as { Docker: { config: ImageConfig } }).Docker
      .config;
    files = buildah('mount', buildah('from', 'espalier:local').trim()).trim();
  }, 1_800_000);
  afterAll(() => {
    for (const args of [
      ['umount', '--all'],
      ['rm', '--all'],
      ['rmi', '--all', '--force'],
    ])
      buildah(...args);
    rmSync(work, { recursive: true, force: true });
  });

  it('has in its configuration what runs it', () => {
    expect(config).toMatchObject({
      User: '1000:1000',
      Cmd: ['serve'],
      StopSignal: 'SIGTERM',
      Volumes: { '/var/lib/espalier': {} },
      ExposedPorts: { '8443/tcp': {}, '9443/tcp': {}, '9464/tcp': {} },
    });
    expect(config.Healthcheck.Test.slice(0, 2)).toEqual(['CMD', 'node']);
  });

  it('has no program that installs or builds, and none of our tests', () => {
    const programs = ['bin', 'sbin', 'usr/bin', 'usr/sbin', 'usr/local/bin'].flatMap((dir) =>
      readdirSync(join(files, dir)),
    );
    for (const name of ['npm', 'npx', 'yarn', 'corepack', 'cc', 'gcc', 'make', 'python3', 'curl', 'wget'])
      expect(programs).not.toContain(name);
    expect(readdirSync(join(files, 'app')).sort()).toEqual(
      ['LICENSE', 'NOTICE', 'dist', 'migrations', 'node_modules', 'package.json', 'sbom.cdx.json'].sort(),
    );
    expect(existsSync(join(files, 'app/node_modules/typescript'))).toBe(false);
  });

  it('lists each package that it has, in its version', () => {
    const list = JSON.parse(readFileSync(join(files, 'app/sbom.cdx.json'), 'utf8')) as {
      bomFormat: string;
      metadata: { component: { name: string } };
      components: { name: string; version: string }[];
    };
    expect([list.bomFormat, list.metadata.component.name]).toEqual(['CycloneDX', 'espalier']);
    const { dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
      dependencies: Record<string, string>;
    };
    // Of some packages there are several versions.
    const listed = new Set(list.components.map(({ name, version }) => `${name}@${version}`));
    for (const [name, version] of Object.entries(dependencies))
      expect(listed).toContain(`${name}@${version}`);
    const installed = readdirSync(join(files, 'app/node_modules'), { withFileTypes: true }).flatMap(
      ({ name }) =>
        name.startsWith('.')
          ? []
          : name.startsWith('@')
            ? readdirSync(join(files, 'app/node_modules', name)).map((one) => `${name}/${one}`)
            : [name],
    );
    expect(installed.length).toBeGreaterThan(100);
    for (const name of installed) {
      const file = join(files, 'app/node_modules', name, 'package.json');
      const { version } = JSON.parse(readFileSync(file, 'utf8')) as { version: string };
      expect(listed).toContain(`${name}@${version}`);
    }
  });

  it('serves, says that it is well, and drains, as user 1000 on a read-only file system', async () => {
    const data = join(work, 'data');
    mkdirSync(data);
    chownSync(data, 1000, 1000);
    const [dataPort, adminPort, opsPort] = [await freePort(), await freePort(), await freePort()];
    const settings = [
      ...config.Env.filter((one) => !/_LISTEN=/.test(one)),
      `ESPALIER_DATA_LISTEN=127.0.0.1:${dataPort}`,
      `ESPALIER_ADMIN_LISTEN=127.0.0.1:${adminPort}`,
      `ESPALIER_OPS_LISTEN=127.0.0.1:${opsPort}`,
      'ESPALIER_DRAIN_DELAY_SECONDS=2',
    ];
    const confined = (...command: readonly string[]): [string, string[]] => [
      join(import.meta.dirname, 'confined.sh'),
      [files, data, 'env', '-i', ...settings, ...command],
    ];
    // Nothing but data and /tmp can be written, and nothing can be gained.
    const [program, args] = confined(
      ...[
        'sh',
        '-c',
        'id -u; touch /app/x /etc/x /usr/x 2>&1 | wc -l; touch /tmp/x /var/lib/espalier/x; grep Cap /proc/self/status',
      ],
    );
    const said = execFileSync(program, args, { encoding: 'utf8' });
    expect(said).toMatch(/^1000\n3\n/);
    expect(said.match(/Cap\w+:\t0{16}/g)).toHaveLength(5);

    const child = spawn(...confined(...config.Entrypoint, ...config.Cmd), {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => (output += String(chunk)));
    const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
    await eventually(async () => {
      if (child.exitCode !== null) throw new Error(output);
      expect(output).toContain('"event":"ready"');
    }, 120_000);
    const ready = (): Promise<number> =>
      fetch(`http://127.0.0.1:${opsPort}/health/ready`).then(({ status }) => status);
    expect(await ready()).toBe(200);
    // Its own health check, against the port that it has here.
    const [, ...check] = config.Healthcheck.Test;
    const [checker, checkArgs] = confined(...check.map((word) => word.replace('9464', String(opsPort))));
    execFileSync(checker, checkArgs, { stdio: 'pipe' });

    const [first] = childrenOf(child.pid!);
    process.kill(first!, config.StopSignal as NodeJS.Signals);
    await eventually(async () => expect(await ready()).toBe(503), 5_000);
    expect(await ended).toBe(0);
    // The database was ended in order: a crash would leave its lock.
    expect(existsSync(join(data, 'postgres/data/postmaster.pid'))).toBe(false);
  });
});
