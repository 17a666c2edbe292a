import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

/** Whatever a page shows is escaped, because nothing in the console can leave it unescaped. */

const files = readdirSync(import.meta.dirname, { recursive: true, encoding: 'utf8' }).filter(
  (name) => name.endsWith('.ts') && !name.endsWith('.test.ts'),
);
const text = (name: string): string => readFileSync(join(import.meta.dirname, name), 'utf8');

describe('the markup of the console', () => {
  it.each(files)('%s escapes all that it shows', (name) => {
    expect(text(name)).not.toMatch(/(?<!\.)\braw\b|dangerously|innerHTML|HtmlEscaped/);
  });

  it('takes of htmx nothing that makes code of text', () => {
    for (const name of files) expect(text(name)).not.toMatch(/hx-on|js:|hx-vals="js|hx-trigger="[^"]*\[/);
  });

  it.each(['console.js', 'chart.js'])('writes no markup from %s', (name) => {
    expect(readFileSync(join(import.meta.dirname, 'assets', name), 'utf8')).not.toMatch(
      /innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function/,
    );
  });
});
