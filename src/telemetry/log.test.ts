import { expect, it } from 'vitest';
import { createLog } from './log.ts';

const capture = (format: 'json' | 'pretty', level: 'debug' | 'warn' = 'debug') => {
  const lines: string[] = [];
  return { lines, log: createLog({ level, format, write: (line) => lines.push(line) }) };
};

it('writes one line of JSON per event', () => {
  const { lines, log } = capture('json');
  log.info('started', { port: 8443, error: new Error('no\nwonder') });
  expect(lines).toHaveLength(1);
  expect(JSON.parse(lines[0] ?? '')).toMatchObject({
    level: 'info',
    event: 'started',
    port: 8443,
    error: 'Error: no\nwonder',
  });
  expect(lines[0]).not.toContain('\n');
});

it('masks tokens, keys and what is named like a secret, in texts and in depth', () => {
  const { lines, log } = capture('json');
  log.warn('x', {
    clientSecret: 'hush',
    nested: {
      authorization: 'Bearer abc',
      text: 'sent eyJhbGciOiJSUzI1NiJ9.eyJhIjoxfQ.c2ln and esp_0123456789012345678901234567890123456789012',
    },
    list: ['Bearer 0123456789abcdef0123'],
  });
  expect(lines[0]).not.toMatch(/hush|abc"|eyJ|esp_0|0123456789abcdef/);
});

it('leaves out what is below its level', () => {
  const { lines, log } = capture('pretty', 'warn');
  log.info('quiet');
  log.error('loud', { a: 1 });
  expect(lines).toHaveLength(1);
  expect(lines[0]).toContain('loud  a=1');
});
