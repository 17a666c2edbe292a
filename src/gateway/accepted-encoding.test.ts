import { describe, expect, it } from 'vitest';
import { takesGzip } from './accepted-encoding.ts';

describe('Accept-Encoding', () => {
  it.each(['gzip', 'gzip, deflate, br, zstd', 'br;q=1.0, GZIP;q=0.5', ' gzip ; q=0.001'])(
    'takes gzip by %j',
    (text) => {
      expect(takesGzip(text)).toBe(true);
    },
  );
  it.each([undefined, null, '', 'br', 'identity', 'gzip;q=0', 'br, gzip; q=0.000', 'x-gzip', '*'])(
    'does not by %j',
    (text) => {
      expect(takesGzip(text)).toBe(false);
    },
  );
});
