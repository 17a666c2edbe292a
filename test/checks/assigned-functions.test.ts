import { parseSync, Visitor } from 'oxc-parser';
import { expect, test } from 'vitest';
import { readTree } from '../../.ci/layers.ts';
import { isProduct } from '../../.ci/writers.ts';

/**
 * V8 puts a function that is assigned to a property as it is written (`query.resolve = () => …`) into the old generation at
 * once. What it reaches, which is mostly all of a request, then outlives each young collection and makes it long. A function
 * with a name of its own that is assigned afterwards is young.
 */

/** Lines on which a function is assigned to a property as it is written. */
function findAssigned(file: string, text: string): string[] {
  const found: string[] = [];
  new Visitor({
    AssignmentExpression: ({ left, right, start }) => {
      if (left.type !== 'MemberExpression') return;
      if (right.type !== 'ArrowFunctionExpression' && right.type !== 'FunctionExpression') return;
      found.push(`${file}:${text.slice(0, start).split('\n').length}`);
    },
  }).visit(parseSync(file, text).program);
  return found;
}

test('a function that is assigned to a property as it is written is found', () => {
  const text = 'const f = () => 1;\na.b = f;\na.b = () => 2;\na[c] = async function () {};\n';
  expect(findAssigned('a.ts', text)).toEqual(['a.ts:3', 'a.ts:4']);
});

test('the product assigns none', () => {
  const served = [...readTree()].filter(([file]) => isProduct(file) && !file.startsWith('src/cli/'));
  expect(served.length).toBeGreaterThan(500);
  expect(served.flatMap(([file, text]) => findAssigned(file, text))).toEqual([]);
});
