import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Loopback, sendJson, startLoopback } from '../../test/harness/loopback.ts';
import type { Send } from '../outbound/port.ts';
import { createIssuedTokens, type IssuedTokens } from './issued-tokens.ts';

let service: Loopback;
let nowMs: number;
let waits: number[];
let renewals: number;
let tokens: IssuedTokens;
let send: Send;
/** Tokens that the service takes. */
let taken: Set<string>;
/** Refusals that have arrived, and for how many of them a second try waits: a busy machine brings the last ones late. */
let refusals: number;
let awaited: number;
const untilRefused = async (): Promise<void> => {
  while (refusals < awaited) await new Promise((resolve) => setTimeout(resolve, 1));
  // Whoever has an answer acts on it before the next turn.
  await new Promise((resolve) => setTimeout(resolve, 1));
};

beforeAll(async () => {
  service = await startLoopback();
});
beforeEach(() => {
  service.seen.length = 0;
  [nowMs, waits, renewals, taken] = [0, [], 0, new Set<string>()];
  [refusals, awaited] = [0, 0];
  service.handle = ({ headers }, response) => {
    const token = headers.authorization?.slice('Bearer '.length) ?? '';
    sendJson(response, taken.has(token) ? 200 : 401, { token });
  };
  tokens = createIssuedTokens({
    sharing: 'process',
    now: () => nowMs,
    wait: async (ms) => {
      waits.push(ms);
      nowMs += ms;
      await untilRefused();
      if (glitch) taken.add('first');
    },
  });
  glitch = false;
  send = tokens.withSecondTry(async (request) => {
    const answer = await service.send(request);
    if (answer.ok && answer.status === 401) refusals += 1;
    return answer;
  });
  tokens.issued('first', { key: 'tenant graph', renew });
});
afterAll(() => service.close());

let glitch = false;
const renew = async (): Promise<string> => {
  renewals += 1;
  tokens.issued('second', { key: 'tenant graph', renew });
  return 'second';
};
const call = async (token: string, body?: string): Promise<number> => {
  const headers = { authorization: `Bearer ${token}` };
  const answer = await send({
    ...{ method: body === undefined ? 'GET' : 'PUT', url: `${service.origin}/x`, headers },
    ...{ timeoutMs: 1_000, addresses: 'checked' as const, ...(body === undefined ? {} : { body }) },
  });
  if (!answer.ok) throw new Error(answer.detail);
  await answer.discard();
  return answer.status;
};

describe('a token that is refused', () => {
  test('is used once more after a second when it is young', async () => {
    glitch = true;
    expect(await call('first', '{"a":1}')).toBe(200);
    expect([waits, renewals, service.seen.length]).toEqual([[1_000], 0, 2]);
    expect(service.seen.map(({ body, method }) => [method, body])).toEqual(Array(2).fill(['PUT', '{"a":1}']));
    expect(tokens.restMs('tenant graph')).toBe(0);
  });

  test('is replaced at once when it is older than a minute', async () => {
    nowMs += 60_001;
    taken.add('second');
    expect(await call('first')).toBe(200);
    expect([waits, renewals, service.seen.length]).toEqual([[], 1, 2]);
  });

  test('twice is a refusal, and the kind rests longer and longer, until one is taken', async () => {
    const rests: number[] = [];
    for (let round = 0; round < 6; round += 1) {
      expect(await call('first')).toBe(401);
      const restMs = tokens.restMs('tenant graph');
      rests.push(restMs);
      nowMs += restMs;
      // One call may find out; whoever asks meanwhile waits.
      expect(tokens.restMs('tenant graph')).toBe(0);
      expect(tokens.restMs('tenant graph')).toBe(10_000);
      expect(tokens.restMs('other tenant graph')).toBe(0);
    }
    expect(rests).toEqual([5_000, 15_000, 45_000, 135_000, 300_000, 300_000]);
    taken.add('first');
    expect(await call('first')).toBe(200);
    expect(tokens.restMs('tenant graph')).toBe(0);
  });

  test('by many calls at once is tried again by one of them, for all', async () => {
    awaited = 20;
    expect(new Set(await Promise.all(Array.from({ length: 20 }, () => call('first'))))).toEqual(
      new Set([401]),
    );
    expect([waits.length, service.seen.length]).toEqual([1, 21]);
    [service.seen.length, waits.length, refusals] = [0, 0, 0];
    glitch = true;
    expect(new Set(await Promise.all(Array.from({ length: 20 }, () => call('first'))))).toEqual(
      new Set([200]),
    );
    expect([waits.length, service.seen.length]).toEqual([1, 40]);
  });

  test('by many calls at once is an error for the one whose second try was one, and a refusal for the others', async () => {
    nowMs += 60_001;
    awaited = 20;
    const failing = async (): Promise<string> => {
      await untilRefused();
      throw new Error('no token');
    };
    tokens.issued('old', { key: 'other graph', renew: failing });
    nowMs += 60_001;
    const ends = await Promise.all(
      Array.from({ length: 20 }, () => call('old').catch((error: Error) => error.message)),
    );
    expect(ends.filter((end) => end === 'no token')).toHaveLength(1);
    expect(ends.filter((end) => end === 401)).toHaveLength(19);
  });

  test('of somebody else is passed on as it is', async () => {
    expect(await call('foreign')).toBe(401);
    expect([waits, service.seen.length]).toEqual([[], 1]);
  });
});
