import { describe, expect, it } from 'vitest';
import { checkHeartbeats } from './heartbeat-check.ts';

/** A check that sees nothing would pass every storm. */
describe('heartbeats, of which a tenant has one a period', () => {
  const tenantId = '11111111-1111-4111-8111-111111111111';
  const neighbour = '22222222-2222-4222-8222-222222222222';
  const startedAt = Date.parse('2026-05-01T00:00:00Z');
  const at = (second: number): number => startedAt + second * 1000;

  const kindsOf = (
    turns: readonly (number | { readonly broughtForwardAt: number })[],
    arrivals: readonly number[],
    others: readonly number[] = [],
  ): string[] =>
    checkHeartbeats({
      periodSeconds: 10,
      turns: [
        ...turns.map((turn) =>
          typeof turn === 'number'
            ? { tenantId, at: at(turn), taken: true }
            : { tenantId, at: at(turn.broughtForwardAt), taken: false },
        ),
        ...others.map((turn) => ({ tenantId: neighbour, at: at(turn), taken: true })),
      ],
      arrivals: [
        ...arrivals.map((second) => ({ tenantId, at: at(second) })),
        ...others.map((second) => ({ tenantId: neighbour, at: at(second) })),
      ],
    }).map((line) => line.split(' ')[0]!);

  it('are well with a turn for each, a turn that nobody used, and one that came late', () => {
    expect(kindsOf([0, 10, 19, 28.5, 38], [0.1, 10.1, 28.6, 44], [1, 11, 21])).toEqual([]);
  });

  it('are not taken twice in a period', () => {
    expect(kindsOf([0, 8.9], [0.1, 9])).toEqual(['turn']);
    // At the same time, by two objects.
    expect(kindsOf([0, 0.01], [0.1, 0.1])).toEqual(['turn']);
  });

  it('may be taken sooner when the one before was refused', () => {
    expect(kindsOf([0, { broughtForwardAt: 0.2 }, 1.3], [0.1, 1.4])).toEqual([]);
  });

  it('are not sent twice in one turn, nor in that of a neighbour', () => {
    expect(kindsOf([0, 10], [0.1, 0.2, 10.1])).toEqual(['heartbeat']);
    expect(kindsOf([0], [0.1, 5], [4, 14])).toEqual(['heartbeat']);
    // A turn from long before explains none.
    expect(kindsOf([0, 10, 40], [10.1, 40.1, 40.2])).toEqual(['heartbeat']);
  });

  it('are not judged where nobody saw their turn', () => {
    expect(kindsOf([10], [2, 10.1])).toEqual([]);
  });
});
