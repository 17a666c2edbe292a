/** The commands of docs/install.md: what can run here runs, and the rest names what is there. */

import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { lacks } from './programs.ts';
import { chartFolder, createChartRenderer, readValues } from './rendered-chart.ts';

const root = join(import.meta.dirname, '../..');
const page = readFileSync(join(root, 'docs/install.md'), 'utf8');
/** Lines of its blocks of commands, continued ones as one. */
const commands = [...page.matchAll(/```sh\n([\s\S]*?)```/g)].flatMap(([, block]) =>
  block!
    .replace(/\\\n\s*/g, ' ')
    .split('\n')
    .map((line) => line.replace(/\s+#.*$/, '').trim())
    .filter(Boolean),
);
const those = (start: string): string[] => {
  const found = commands.filter((line) => line.startsWith(start));
  expect(found.length, start).toBeGreaterThan(0);
  return found;
};

describe('the commands of the page', () => {
  const dir = mkdtempSync(join(tmpdir(), 'espalier-install-'));
  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  it('name files that are there', () => {
    const named = commands.flatMap((line) => line.match(/\bdeploy\/[\w./-]+/g) ?? []);
    expect(named.length).toBeGreaterThan(6);
    for (const file of named) expect(existsSync(join(root, file)), file).toBe(true);
  });

  it('run the container as the compose file does', () => {
    const [run = ''] = those('docker run ');
    for (const option of ['--init', '--read-only', '--tmpfs /tmp', '--cap-drop ALL', 'no-new-privileges'])
      expect(run).toContain(option);
    expect(run).toContain('--publish 127.0.0.1:9443:9443');
    expect(run).toContain('--volume espalier:/var/lib/espalier');
  });

  it('ask services of the compose file for files that they have', () => {
    const { services } = parse(readFileSync(join(root, 'deploy/compose/compose.yaml'), 'utf8'), {
      merge: true,
    }) as { services: Record<string, { volumes: string[]; working_dir?: string; command?: string[] }> };
    const execs = those('docker compose ').filter((line) => line.includes(' exec '));
    expect(execs.map((line) => /exec (?:--user 0 )?(\w+) /.exec(line)?.[1])).toEqual([
      'gateway',
      'grafana',
      'demo',
    ]);
    execFileSync(process.execPath, [join(root, 'deploy/compose/first-run.mjs'), join(dir, 'secrets')]);
    const [, grep = ''] = /exec gateway (.*)$/.exec(execs[0]!) ?? [];
    const key = execFileSync('sh', ['-c', grep], { cwd: join(dir, 'secrets/gateway'), encoding: 'utf8' });
    expect(key).toMatch(/^ESPALIER_BOOTSTRAP_KEY=esp_\S{43}\n$/);
    expect(services.gateway?.volumes).toContain(`gateway-secrets:${services.gateway?.working_dir}:ro`);
    const [, password = ''] = /cat (\S+)\/password$/.exec(execs[1]!) ?? [];
    expect(services.grafana?.volumes).toContain(`grafana-secrets:${password}:ro`);
    // The demo keeps its simulator's key in its data directory, seen from where it works.
    expect(services.demo?.command).toContain(`${services.demo?.working_dir}/demo`);
    expect(execs[2]).toMatch(/cat demo\/simulator\/bootstrap-key$/);
  });

  it.skipIf(lacks('go'))('install the chart with values that it takes and secrets that it asks for', () => {
    const [install = ''] = those('helm install ');
    const values: Record<string, Record<string, string> | string> = {};
    for (const [, path, value] of install.matchAll(/--set ([\w.]+)=(\S+)/g)) {
      const [outer = '', inner] = path!.split('.');
      values[outer] = inner === undefined ? value! : { [inner]: value! };
    }
    const chart = createChartRenderer();
    try {
      expect(chart.render(values).map(({ kind }) => kind)).toContain('Deployment');
    } finally {
      chart.close();
    }
    const { secretSettings } = readValues(join(chartFolder, 'values.yaml')) as {
      secretSettings: Record<string, { secret: string; key: string }>;
    };
    const [secret = ''] = those('kubectl --namespace espalier create secret generic ');
    for (const { key, secret: name } of Object.values(secretSettings))
      expect(secret).toMatch(new RegExp(`generic ${name} .*--from-file ${key}=`));
    expect(those('kubectl --namespace espalier create secret tls ')[0]).toContain(' espalier-tls ');
    expect(install).toContain('--set tls.secret=espalier-tls');
  });

  it('install the program where the unit looks for it', () => {
    const [npm = ''] = those('npm install --global ');
    const [, prefix] = /--prefix (\S+)/.exec(npm) ?? [];
    expect(readFileSync(join(root, 'deploy/systemd/espalier.service'), 'utf8')).toContain(
      ` ${prefix}/lib/node_modules/espalier/dist/cli/main.js serve\n`,
    );
    const { bin } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
      bin: { espalier: string };
    };
    expect(bin.espalier).toBe('./dist/cli/main.js');
  });

  it.skipIf(lacks('systemd-sysusers') || process.getuid?.() !== 0)(
    'make the user and the files of the unit',
    () => {
      const target = join(dir, 'root');
      mkdirSync(join(target, 'etc'), { recursive: true });
      const inRoot = (line: string): string => line.replace(/ \/(usr|etc)\//g, ` ${target}/$1/`);
      const [sysusers = '', settings = '', unit = ''] = those('install -D ');
      const run = (line: string): void => {
        execFileSync('sh', ['-ec', line], { cwd: root, stdio: 'pipe' });
      };
      run(inRoot(sysusers));
      run(`systemd-sysusers --root=${target}`);
      expect(readFileSync(join(target, 'etc/passwd'), 'utf8')).toMatch(
        /^espalier:x:\d+:\d+:Espalier gateway:\/var\/lib\/espalier:\/usr\/sbin\/nologin$/m,
      );
      const [, gid = ''] = /^espalier:x:(\d+):/m.exec(readFileSync(join(target, 'etc/group'), 'utf8')) ?? [];
      run(inRoot(settings).replace('-g espalier', `-g ${gid}`));
      run(inRoot(unit));
      for (const file of ['etc/espalier/espalier.env', 'etc/systemd/system/espalier.service'])
        expect(existsSync(join(target, file)), file).toBe(true);
    },
  );
});
