import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

/** docs/architecture.md names files and what stands in them; both are there. */

const root = join(import.meta.dirname, '..', '..');
const page = readFileSync(join(root, 'docs/architecture.md'), 'utf8');
const ways = /^## Three ways through the code$([\s\S]*?)^## /m.exec(page)?.[1] ?? '';

describe('the three ways through the code', () => {
  it('are told in sixty lines', () => {
    expect(ways.trim().split('\n').length).toBeGreaterThan(20);
    expect(ways.trim().split('\n').length).toBeLessThanOrEqual(60);
  });

  it.each(
    [...ways.matchAll(/`([\w./-]+\.ts)`: `(\w+)`/g)].map(
      (found) => [found[1] ?? '', found[2] ?? ''] as const,
    ),
  )('src/%s has %s', (file, name) => {
    expect(readFileSync(join(root, 'src', file), 'utf8')).toMatch(new RegExp(`\\b${name}\\b`));
  });
});
