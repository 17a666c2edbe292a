import { describe, expect, test } from 'vitest';
import { findImports } from '../../.ci/imports.ts';
import { checkLayers, describeFault, type Packages, readPackages, readTree } from '../../.ci/layers.ts';

const packages: Packages = {
  dependencies: ['hono', 'undici', '@azure/msal-node'],
  devDependencies: ['vitest'],
};

const faults = (tree: Readonly<Record<string, string>>): string[] =>
  checkLayers(new Map(Object.entries(tree)), packages).map(describeFault);

describe('imports are found', () => {
  const specifiers = (source: string): (string | undefined)[] =>
    findImports(source).map((found) => found.specifier);

  test('in every form the language has', () => {
    expect(
      specifiers(`
        import 'a';
        import b from 'b';
        import * as c from "c";
        import d, { e as f, 'odd name' as g } from 'd';
        import {
          one, // with a comment
          type Two,
        } from 'e' with { type: 'json' };
        export * from 'f';
        export * as all from 'g';
        export { h, type I } from 'h';
        const i = await import('i');
        type J = import('j').J;
        const k = require('k');
        const l = process.getBuiltinModule('l');
        const m = await import(\`m\`);
      `),
    ).toEqual('a b c d e f g h i j k l m'.split(' '));
  });

  test('but not in comments, texts, templates, regular expressions or names', () => {
    expect(
      specifiers(`
        // import 'a';
        /* import b from 'b'; */
        const c = "import 'c'", d = 'export * from "d"';
        const e = \`import 'e' \${f(\`import 'f'\`, { g: 1 })} import 'g'\`;
        const h = /import 'h'/, i = /['"\`/]/;
        const j = x.import('j'), k = import.meta.url;
        export const from = 'l';
        export { j, k };
        const n = from / 2; const o = "import 'o'" / 3;
        export type P = 'p';
      `),
    ).toEqual([]);
  });

  test('after a text that looks unfinished', () => {
    expect(
      specifiers(`const a = /[/'"]/.test('\\''); const b = \`\${c ? /'/ : '}'}\`;\nimport 'after';`),
    ).toEqual(['after']);
  });

  test('in code inside a template', () => {
    const source = `const a = \`\${await import('b')} \${{ c: await import('d') }}\`; import 'e';`;
    expect(specifiers(source)).toEqual(['b', 'd', 'e']);
  });

  test('with the line of the name, and whether the code keeps them', () => {
    const source = `import type { A } from 'a';\nimport type, { b } from 'b';\nimport {\n  type C,\n} from 'c';\nexport type { D } from 'd';\nimport type from 'e';\nimport(name);`;
    expect(findImports(source)).toEqual([
      { line: 1, specifier: 'a', typeOnly: true },
      { line: 2, specifier: 'b', typeOnly: false },
      { line: 5, specifier: 'c', typeOnly: false },
      { line: 6, specifier: 'd', typeOnly: true },
      { line: 7, specifier: 'e', typeOnly: false },
      { line: 8, specifier: undefined, typeOnly: false },
    ]);
  });
});

describe('floors', () => {
  test('lower floors, the own folder and floor 0 among itself are free', () => {
    expect(
      faults({
        'src/gateway/a.ts': `import { b } from './b.ts';\nimport '../delivery/c.ts';\nimport '../store/d.ts';`,
        'src/store/d.ts': `import '../secrets/e.ts';\nimport { newId } from '../ids.ts';`,
        'src/cli/main.ts': `import '../runtime/node.ts';`,
      }),
    ).toEqual([]);
  });

  test('a higher floor is refused, type imports too', () => {
    expect(faults({ 'src/routing/a.ts': `\nimport type { B } from '../delivery/b.ts';` })).toEqual([
      'src/routing/a.ts:2 imports ../delivery/b.ts: routing (floor 2) is below delivery (floor 3)',
    ]);
    expect(faults({ 'src/problems.ts': `export * from './gateway/a.ts';` })).toHaveLength(1);
  });

  test('sideways is refused but for the pairs of the table', () => {
    expect(faults({ 'src/delivery/a.ts': `import '../forwarding/b.ts';` })).toEqual([
      'src/delivery/a.ts:1 imports ../forwarding/b.ts: delivery and forwarding are both on floor 3',
    ]);
    expect(faults({ 'src/gateway/a.ts': `import '../admin/b.ts';` })).toHaveLength(1);
    expect(faults({ 'src/admin/tenants/a.ts': `import '../../gateway/b.ts';` })).toEqual([]);
    expect(faults({ 'src/graph/a.ts': `import '../entra/clouds.ts';` })).toEqual([]);
    expect(faults({ 'src/graph/a.ts': `import '../entra/tokens.ts';` })).toHaveLength(1);
  });

  test('a folder without a floor is refused', () => {
    expect(faults({ 'src/utils/a.ts': '' })).toEqual([
      'src/utils/a.ts:1 imports anything: utils is on no floor',
    ]);
  });

  test('nothing outside src and no test is part of the product', () => {
    expect(faults({ 'src/jamf/a.ts': `import '../harness/b.ts';` })).toHaveLength(1);
    expect(faults({ 'src/jamf/a.ts': `import './a.test.ts';` })).toHaveLength(1);
    expect(
      faults({ 'src/jamf/a.test.ts': `import '../harness/b.ts';\nimport { test } from 'vitest';` }),
    ).toEqual([]);
  });

  test('a computed import is refused', () => {
    expect(faults({ 'src/jamf/a.ts': 'await import(name);' })).toHaveLength(1);
  });
});

describe('the simulator', () => {
  test('imports nothing of the product', () => {
    expect(faults({ 'src/simulator/jamf/a.ts': `import '../clock.ts';\nimport '../../ids.ts';` })).toEqual([
      'src/simulator/jamf/a.ts:2 imports ../../ids.ts: the simulator is the outside world and shares no code with the product',
    ]);
  });

  test('is imported by the demo, by runtime/node and by tests only', () => {
    const text = `import '../simulator/a.ts';`;
    expect(
      faults({
        'src/cli/demo.ts': text,
        'src/cli/demo-world.ts': text,
        'src/cli/simulate.ts': text,
        'src/runtime/node-demo.ts': text,
        'src/jamf/a.test.ts': text,
      }),
    ).toEqual([]);
    expect(faults({ 'src/cli/serve.ts': text })).toHaveLength(1);
    expect(faults({ 'src/runtime/config.ts': text })).toHaveLength(1);
    expect(faults({ 'src/delivery/a.ts': text })).toHaveLength(1);
  });
});

describe('Node built-ins', () => {
  test('have their places', () => {
    const text = `import 'node:fs';\nimport { createServer } from 'http';\nimport 'fs/promises';`;
    expect(
      faults({
        'src/cli/a.ts': text,
        'src/runtime/node.ts': text,
        'src/runtime/node/server.ts': text,
        'src/simulator/a.ts': text,
        'src/outbound/node.ts': text,
        'src/outbound/node-upstream.ts': text,
        'src/jamf/a.test.ts': text,
      }),
    ).toEqual([]);
    expect(faults({ 'src/jamf/a.ts': text })).toHaveLength(3);
    expect(faults({ 'src/outbound/port.ts': text })).toHaveLength(3);
    expect(faults({ 'src/outbound/upstream.ts': text })).toHaveLength(3);
    expect(faults({ 'src/runtime/config.ts': `import type { Stats } from 'node:fs';` })).toHaveLength(1);
  });
});

describe('packages', () => {
  test('that only development has are refused outside tests', () => {
    expect(faults({ 'src/jamf/a.ts': `import { vi } from 'vitest/config';` })).toEqual([
      'src/jamf/a.ts:1 imports vitest/config: vitest is only a devDependency',
    ]);
    expect(faults({ 'src/jamf/a.test.ts': `import { vi } from 'vitest';` })).toEqual([]);
  });

  test('that package.json does not name are refused', () => {
    expect(faults({ 'src/jamf/a.ts': `import '@scope/name/part';` })).toEqual([
      'src/jamf/a.ts:1 imports @scope/name/part: package.json does not name @scope/name',
    ]);
    expect(faults({ 'src/jamf/a.ts': `import { Hono } from 'hono/tiny';` })).toEqual([]);
  });
});

describe('circles', () => {
  test('are told with their path', () => {
    expect(
      faults({
        'src/jamf/a.ts': `import './b.ts';`,
        'src/jamf/b.ts': `import './c.ts';`,
        'src/jamf/c.ts': `import type { A } from './a.ts';`,
      }),
    ).toEqual([
      'src/jamf/c.ts:1 imports ./a.ts: it closes a circle: src/jamf/a.ts -> src/jamf/b.ts -> src/jamf/c.ts -> src/jamf/a.ts',
    ]);
    expect(faults({ 'src/jamf/a.ts': `import './a.ts';` })).toEqual([
      'src/jamf/a.ts:1 imports ./a.ts: it closes a circle: src/jamf/a.ts -> src/jamf/a.ts',
    ]);
  });

  test('are not two ways to one file', () => {
    expect(
      faults({
        'src/jamf/a.ts': `import './b.ts';\nimport './c.ts';`,
        'src/jamf/b.ts': `import './d.ts';`,
        'src/jamf/c.ts': `import './d.ts';`,
        'src/jamf/d.ts': '',
      }),
    ).toEqual([]);
  });
});

describe('the Workers entry point', () => {
  const tree = (leaf: string): Record<string, string> => ({
    'src/runtime/worker.ts': `import '../gateway/a.ts';`,
    'src/gateway/a.ts': `import { b } from '../outbound/node.ts';`,
    'src/outbound/node.ts': leaf,
  });

  test('reaches no built-in that workerd lacks', () => {
    expect(faults(tree(`import 'node:fs/promises';`))).toEqual([
      'src/outbound/node.ts:1 imports node:fs/promises: workerd does not have node:fs/promises; reached by ' +
        'src/runtime/worker.ts -> src/gateway/a.ts -> src/outbound/node.ts',
    ]);
    expect(faults(tree(`import 'node:child_process';`))).toHaveLength(1);
    expect(faults(tree(`import 'node:dns';\nimport 'node:stream/web';\nimport 'buffer';`))).toEqual([]);
  });

  test('reaches no package that needs Node', () => {
    expect(faults(tree(`import { Agent } from 'undici';`))).toHaveLength(1);
    expect(faults(tree(`export * from 'undici';`))).toHaveLength(1);
    expect(faults(tree(`import type { Agent } from 'undici';`))).toEqual([]);
  });

  test('does not answer for what it does not reach', () => {
    const { 'src/gateway/a.ts': _, ...rest } = tree(`import 'undici';`);
    expect(faults(rest)).toEqual([]);
  });
});

test('the tree is clean', () => {
  expect(checkLayers(readTree(), readPackages()).map(describeFault)).toEqual([]);
});
