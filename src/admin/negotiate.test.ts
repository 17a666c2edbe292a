import { expect, test } from 'vitest';
import { preferredType } from './negotiate.ts';

const offered = ['application/json', 'text/plain'] as const;

test.each([
  [undefined, 'application/json'],
  ['', 'application/json'],
  ['*/*', 'application/json'],
  ['text/plain', 'text/plain'],
  ['TEXT/Plain; charset=utf-8', 'text/plain'],
  ['text/*', 'text/plain'],
  ['text/plain, */*', 'text/plain'],
  ['text/plain;q=0.5, application/json;q=0.4', 'text/plain'],
  ['text/plain;q=0.4, application/json', 'application/json'],
  ['text/plain, application/json', 'application/json'],
  ['text/plain;q=0, */*', 'application/json'],
  ['application/json;q=0, text/*;q=0.1', 'text/plain'],
  ['text/html, application/xhtml+xml, */*;q=0.8', 'application/json'],
  ['application/xml', 'application/json'],
  ['text/plain;q=much', 'application/json'],
])('Accept: %s is answered with %s', (accept, type) => {
  expect(preferredType(accept, offered)).toBe(type);
});
