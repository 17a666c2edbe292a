/** Debian's Prometheus, which scrapes a gateway of ours with our rules, and its promtool. */

import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from './eventually.ts';
import { freePort, listens } from './ports.ts';

export const rulesFile = join(import.meta.dirname, '../../deploy/prometheus/espalier.rules.yml');

export const hasPrometheus = (): boolean => {
  try {
    for (const program of ['prometheus', 'promtool'])
      execFileSync(program, ['--version'], { stdio: 'ignore', env: { PATH: process.env.PATH } });
    return true;
  } catch {
    return false;
  }
};

interface Sample {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: readonly [atSeconds: number, value: string];
}

export interface Prometheus {
  query(expr: string): Promise<readonly Sample[]>;
  /** Names of the alerts that are firing. */
  firing(): Promise<readonly string[]>;
  close(): Promise<void>;
}

/** The rules with every pause left out, so that what is true once fires at the next look. */
const withoutPauses = (rules: string): string => rules.replace(/^( +for: ).*$/gm, '$10s');

/** `targets`: host and port of ops listeners. */
export async function startPrometheus(targets: readonly string[]): Promise<Prometheus> {
  const dir = mkdtempSync(join(tmpdir(), 'prometheus-'));
  const port = await freePort();
  writeFileSync(join(dir, 'rules.yml'), withoutPauses(readFileSync(rulesFile, 'utf8')));
  writeFileSync(
    join(dir, 'prometheus.yml'),
    [
      'global: { scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s }',
      'rule_files: [rules.yml]',
      'scrape_configs:',
      '  - job_name: espalier',
      `    static_configs: [{ targets: ${JSON.stringify(targets)} }]`,
    ].join('\n'),
  );
  const child = spawn(
    'prometheus',
    [
      `--config.file=${join(dir, 'prometheus.yml')}`,
      `--storage.tsdb.path=${join(dir, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
      '--log.level=error',
    ],
    { stdio: 'ignore', env: { PATH: process.env.PATH } },
  );
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const ask = async (path: string): Promise<unknown> => {
    const answer = await fetch(`http://127.0.0.1:${port}/api/v1/${path}`);
    const body = (await answer.json()) as { status: string; data: unknown; error?: string };
    if (body.status !== 'success') throw new Error(`${path}: ${body.error}`);
    return body.data;
  };
  await eventually(async () => {
    if (child.exitCode !== null) throw new Error(`prometheus ended with ${child.exitCode}`);
    if (!(await listens(port))) throw new Error('prometheus does not listen');
  }, 30_000);
  return {
    query: async (expr) =>
      ((await ask(`query?query=${encodeURIComponent(expr)}`)) as { result: readonly Sample[] }).result,
    firing: async () => {
      const { alerts } = (await ask('alerts')) as {
        alerts: readonly { state: string; labels: Readonly<Record<string, string>> }[];
      };
      return alerts.flatMap(({ labels, state }) => (state === 'firing' ? [labels.alertname ?? ''] : []));
    },
    close: async () => {
      child.kill('SIGKILL');
      await ended;
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
