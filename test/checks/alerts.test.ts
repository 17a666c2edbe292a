import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { hasPrometheus, rulesFile } from '../harness/prometheus.ts';

/** Alerts, their tests and their runbooks belong together, and promtool finds nothing to say. */

const page = readFileSync(join(import.meta.dirname, '../../docs/alerts.md'), 'utf8');
const folder = join(rulesFile, '..');

interface Rule {
  readonly alert?: string;
  readonly labels?: { readonly severity?: string };
  readonly annotations?: { readonly summary?: string; readonly runbook_url?: string };
}
const { groups } = parse(readFileSync(rulesFile, 'utf8')) as {
  groups: readonly { rules: readonly Rule[] }[];
};
const alerts = groups.flatMap(({ rules }) => rules.filter(({ alert }) => alert !== undefined));
const names = alerts.map(({ alert }) => alert);

describe('the alerts', () => {
  test('each has a runbook in docs/alerts.md, in the same order, and no runbook is of no alert', () => {
    expect([...page.matchAll(/^### (\S+)$/gm)].map(([, name]) => name)).toEqual(names);
  });

  test('each says what is wrong, how urgent that is, and where its runbook stands', () => {
    for (const { alert, annotations, labels } of alerts) {
      expect(labels?.severity, alert).toMatch(/^(warning|critical)$/);
      expect(annotations?.summary, alert).toMatch(/\.$/);
      expect(annotations?.runbook_url).toBe(`https://espalier.dev/docs/alerts#${alert?.toLowerCase()}`);
    }
  });

  test('each is provoked by the unit tests of the rules', () => {
    const tests = readFileSync(join(folder, 'espalier.rules.test.yml'), 'utf8');
    const provoked = new Set([...tests.matchAll(/alertname: (\S+)\n +exp_alerts:/g)].map(([, name]) => name));
    expect(names.filter((name) => !provoked.has(name))).toEqual([]);
  });

  test.skipIf(!hasPrometheus() && process.env.CI === undefined)('promtool accepts rules and tests', () => {
    const promtool = (...args: string[]): string =>
      execFileSync('promtool', args, { cwd: folder, encoding: 'utf8', stdio: 'pipe' });
    expect(promtool('check', 'rules', 'espalier.rules.yml')).toContain('SUCCESS');
    expect(promtool('test', 'rules', 'espalier.rules.test.yml')).toContain('SUCCESS');
  });
});
