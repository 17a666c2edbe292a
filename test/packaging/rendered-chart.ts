/** The chart's objects as Helm would make them, by render.go beside this file. */

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Ajv } from 'ajv';
import { parse, parseAllDocuments } from 'yaml';

export const chartFolder = join(import.meta.dirname, '../../deploy/helm/espalier');

export interface KubernetesObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly labels: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  // biome-ignore lint/suspicious/noExplicitAny: the compiler judges each object by Kubernetes' own types in kubernetes-types.ts
  readonly spec: any;
}

export interface ChartRenderer {
  /** Throws with what a template says where it refuses the values, and with what the schema says before. */
  render(values: unknown): readonly KubernetesObject[];
  /** The text that an installation ends with. */
  notes(values: unknown): string;
  close(): void;
}

/** Kubernetes reads YAML 1.1, where `off` is no string and 0440 is octal. */
const readDocuments = (text: string): KubernetesObject[] =>
  parseAllDocuments(text, { version: '1.1' }).flatMap((document) => {
    if (document.errors.length > 0) throw document.errors[0]!;
    const value: unknown = document.toJS();
    return value === null ? [] : [value as KubernetesObject];
  });

export function createChartRenderer(): ChartRenderer {
  const dir = mkdtempSync(join(tmpdir(), 'espalier-chart-'));
  const program = join(dir, 'render');
  execFileSync('go', ['build', '-o', program, 'render.go'], {
    cwd: join(import.meta.dirname, 'chart'),
    env: { ...process.env, GO111MODULE: 'off', GOPATH: '/usr/share/gocode', GOFLAGS: '' },
  });
  const isValid = new Ajv({ strict: false, allErrors: true }).compile(
    JSON.parse(readFileSync(join(chartFolder, 'values.schema.json'), 'utf8')),
  );
  const run = (values: unknown): Record<string, string> => {
    const file = join(dir, 'values.yaml');
    writeFileSync(file, JSON.stringify(values));
    let output: string;
    try {
      output = execFileSync(program, [chartFolder, file], { encoding: 'utf8', stdio: 'pipe' });
    } catch (error) {
      throw new Error((error as { stderr: string }).stderr);
    }
    const { templates, values: merged } = JSON.parse(output) as {
      templates: Record<string, string>;
      values: unknown;
    };
    // Helm judges the values as merged before it renders.
    if (!isValid(merged))
      throw new Error(
        isValid.errors?.map(({ instancePath, message }) => `${instancePath} ${message}`).join('\n'),
      );
    return templates;
  };
  return {
    render: (values) =>
      Object.entries(run(values)).flatMap(([name, text]) =>
        name.endsWith('.yaml') ? readDocuments(text) : [],
      ),
    notes: (values) => run(values)['NOTES.txt'] ?? '',
    close: () => rmSync(dir, { recursive: true, force: true }),
  };
}

export const readValues = (file: string): unknown => parse(readFileSync(file, 'utf8'));
