import { expect, test } from 'vitest';
import { loadWorkerConfig } from './config.ts';

test('a variable that is no text, and a rate limit that is none, are faults', async () => {
  const result = await loadWorkerConfig({
    HYPERDRIVE: { connectionString: 'postgres://user@db.example.com/espalier' },
    ESPALIER_RATE_PER_TENANT: 50,
    RATE_TENANT: { limit: async () => ({ success: true }) },
    RATE_INSTANCE: 'RATE_TENANT' as never,
  });
  expect(!result.ok && result.faults.slice(0, 2)).toEqual([
    {
      variable: 'ESPALIER_RATE_PER_TENANT',
      problem: 'is not text: in wrangler.toml its value stands in quotes',
      example: 'ESPALIER_RATE_PER_TENANT = "…"',
    },
    {
      variable: 'RATE_INSTANCE',
      problem: 'is no rate limit: bind it under [[ratelimits]], or not at all',
      example: 'simple = { limit = 12_000, period = 10 }',
    },
  ]);
});
