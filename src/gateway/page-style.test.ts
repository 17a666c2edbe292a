import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { pagePolicy, style, styleSha256 } from './page-style.ts';

test('the policy of the pages allows exactly their own style: its digest is that of the text', () => {
  expect(styleSha256).toBe(`sha256-${createHash('sha256').update(style).digest('base64')}`);
  for (const policy of [pagePolicy('none'), pagePolicy('self')]) {
    expect(policy).toContain(styleSha256);
    expect(policy).not.toContain('unsafe');
  }
});
