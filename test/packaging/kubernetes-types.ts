/**
 * Whether objects are what Kubernetes takes: the TypeScript compiler reads each as a literal of its kind's type, so that an
 * unknown member, a wrong type and a missing member are all told.
 */

import { execFileSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { KubernetesObject } from './rendered-chart.ts';

/** Kinds of other projects, which kubernetes-models does not have. */
const foreign = ['monitoring.coreos.com/v1'];

/** `tools`: directory in which kubernetes-models is installed. Resolves to what the compiler says; empty: all is well. */
export function typeFaults(tools: string, objects: readonly KubernetesObject[]): string {
  const lines = objects
    .filter(({ apiVersion }) => !foreign.includes(apiVersion))
    .flatMap((object, index) => [
      `import type { I${object.kind} as Kind${index} } from 'kubernetes-models/${object.apiVersion}/${object.kind}';`,
      `export const object${index}: Kind${index} = ${JSON.stringify(object)};`,
    ]);
  const file = join(tools, 'objects.ts');
  writeFileSync(file, lines.join('\n'));
  const compiler = join(
    dirname(createRequire(import.meta.url).resolve('typescript/package.json')),
    'bin',
    'tsc',
  );
  const options = ['--noEmit', '--strict', '--skipLibCheck', '--module', 'nodenext', '--types', ''];
  try {
    execFileSync(process.execPath, [compiler, ...options, file], {
      cwd: tools,
      encoding: 'utf8',
      stdio: 'pipe',
    });
    return '';
  } catch (error) {
    return (error as { stdout: string }).stdout;
  } finally {
    rmSync(file);
  }
}
