import { expect, test } from 'vitest';
import { createLog } from '../../telemetry/log.ts';
import { createPlatformRate, type RateLimitBinding } from './rate.ts';

function start(limit: RateLimitBinding['limit']) {
  const clock = { ms: 0 };
  const lines: string[] = [];
  const asked: string[] = [];
  const rate = createPlatformRate({
    name: 'RATE_TENANT',
    binding: {
      limit: (of) => {
        asked.push(of.key);
        return limit(of);
      },
    },
    log: createLog({ level: 'debug', format: 'json', write: (line) => lines.push(line) }),
    now: () => clock.ms,
  });
  return { asked, clock, lines, rate };
}

test('what the platform refuses may come again after its period', async () => {
  const { asked, lines, rate } = start(async ({ key }) => ({ success: key === 'quiet' }));
  expect(await rate.take('quiet')).toBeUndefined();
  expect(await rate.take('loud')).toBe(10);
  expect(asked).toEqual(['quiet', 'loud']);
  expect(lines).toEqual([]);
});

test('a binding that fails or is silent lets through, is told of once, and is left alone for a while', async () => {
  const failing = start(async () => {
    throw new Error('no rate limit today');
  });
  for (let call = 0; call < 3; call += 1) expect(await failing.rate.take('tenant')).toBeUndefined();
  expect(failing.asked).toHaveLength(1);
  expect(failing.lines).toHaveLength(1);
  expect(JSON.parse(failing.lines.join())).toMatchObject({
    level: 'warn',
    event: 'rate.not-shared',
    binding: 'RATE_TENANT',
    error: 'Error: no rate limit today',
  });
  failing.clock.ms += 10_000;
  await failing.rate.take('tenant');
  expect(failing.asked).toHaveLength(2);

  const silent = start(() => new Promise(() => undefined));
  expect(await silent.rate.take('tenant')).toBeUndefined();
  expect(silent.lines).toHaveLength(1);
});
