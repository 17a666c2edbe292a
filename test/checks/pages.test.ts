import { describe, expect, it } from 'vitest';
import { anchorOf, brokenLinks, linksOf, saysForWhom, wordsOf } from '../../.ci/pages.ts';

/** `npm run check:pages` finds what it is for. */

const read = (path: string): string | undefined =>
  ({
    'pages/a.md': '# A page\n\n[there](b.md#two-words), [gone](c.md), [wrong](b.md#three), [here](#a-page)',
    'pages/b.md': '# B\n\n## Two words\n',
    'README.md': '![a picture](images/none.svg) [b](pages/b.md) [far](https://example.com/x.md)',
  })[path];

describe('the check of pages', () => {
  it('names links that lead to no page, no picture or no heading', () => {
    const faults = ['pages/a.md', 'README.md'].flatMap((path) =>
      brokenLinks(path, read(path) ?? '', { read }),
    );
    expect(faults).toEqual([
      'pages/a.md: c.md leads to nothing',
      'pages/a.md: b.md#three has no such heading',
      'README.md: images/none.svg leads to nothing',
    ]);
  });

  it('reads no links in code', () => {
    expect(linksOf('```\n[no](x.md)\n```\n[yes](y.md)')).toEqual(['y.md']);
  });

  it('makes anchors as GitHub does', () => {
    expect(anchorOf('`npm run docs`: what, and [why](x.md)?')).toBe('npm-run-docs-what-and-why');
  });

  it('counts words without the rules of tables, and knows whom a page is for', () => {
    expect(wordsOf('| a | 12 |\n|---|---|\n\n# c')).toBe(3);
    expect(saysForWhom('# A\n\nFor operators: what it is.')).toBe(true);
    expect(saysForWhom('# A\n\nWhat it is.')).toBe(false);
  });
});
