import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Circuits, createCircuits } from './circuit.ts';

const key = 'tenant';
const unbounded = 1_000;

function start(random: () => number = () => 0.5) {
  let nowMs = 1_000_000;
  const circuits: Circuits = createCircuits({
    backoff: { baseSeconds: 2, maxSeconds: 60 },
    now: () => nowMs,
    random,
    unbounded,
  });
  const times = (count: number, work: () => void): void => {
    for (let index = 0; index < count; index += 1) work();
  };
  return {
    ...circuits,
    now: () => nowMs,
    pass: (ms: number) => {
      nowMs += ms;
    },
    fail: (count: number) => times(count, () => circuits.failed(key)),
    succeed: (count: number) => times(count, () => circuits.succeeded(key)),
  };
}

describe('a circuit', () => {
  it('says nothing before ten exchanges, and opens with the tenth when half of them failed', () => {
    const circuit = start();
    circuit.succeed(5);
    circuit.fail(4);
    expect(circuit.mayTake(key)).toBe(unbounded);
    circuit.fail(1);
    expect(circuit.mayTake(key)).toBe(0);
    expect(circuit.mayTake('another')).toBe(unbounded);
  });

  it('stays closed while less than half fails', () => {
    const circuit = start();
    circuit.succeed(60);
    circuit.fail(59);
    expect(circuit.mayTake(key)).toBe(unbounded);
  });

  it('forgets what is longer ago than its window', () => {
    const circuit = start();
    circuit.fail(9);
    circuit.pass(11_000);
    circuit.fail(9);
    expect(circuit.mayTake(key)).toBe(unbounded);
    circuit.fail(1);
    expect(circuit.mayTake(key)).toBe(0);
  });

  it('lets one through when its time is over, and closes when that one succeeds', () => {
    const circuit = start();
    circuit.fail(10);
    const untilMs = circuit.now() + (circuit.closedForMs(key) ?? 0);
    expect(untilMs).toBeGreaterThan(circuit.now());
    circuit.pass(untilMs - circuit.now());
    expect(circuit.mayTake(key)).toBe(1);
    expect(circuit.closedForMs(key)).toBeUndefined();
    circuit.succeed(1);
    expect(circuit.mayTake(key)).toBe(unbounded);
    circuit.fail(8);
    expect(circuit.mayTake(key)).toBe(unbounded);
  });

  it('opens again when the probe fails, longer and longer, up to the maximum', () => {
    const circuit = start(() => 0.999_999);
    circuit.fail(10);
    const openMs: number[] = [];
    for (let probe = 0; probe < 8; probe += 1) {
      const untilMs = circuit.now() + (circuit.closedForMs(key) ?? 0);
      openMs.push(Math.round((untilMs - circuit.now()) / 1_000));
      circuit.pass(untilMs - circuit.now());
      circuit.fail(1);
    }
    expect(openMs).toEqual([6, 18, 54, 60, 60, 60, 60, 60]);
  });

  it('learns nothing of failures that were on their way when it opened', () => {
    const circuit = start();
    circuit.fail(10);
    const untilMs = circuit.closedForMs(key);
    circuit.fail(50);
    expect(circuit.closedForMs(key)).toBe(untilMs);
  });

  it('keeps the longest silence that was asked for', () => {
    const circuit = start();
    circuit.silence(key, 30_000);
    circuit.silence(key, 10_000);
    circuit.succeed(1);
    expect(circuit.mayTake(key)).toBe(0);
    circuit.pass(29_999);
    expect(circuit.mayTake(key)).toBe(0);
    circuit.pass(1);
    expect(circuit.mayTake(key)).toBe(unbounded);
  });

  it('is open between its base and its maximum, whatever happens', () => {
    const event = fc.constantFrom('failed' as const, 'succeeded' as const, 'pass' as const);
    const draw = fc.double({ min: 0, max: 0.999_999, noNaN: true });
    fc.assert(
      fc.property(fc.array(event, { maxLength: 200 }), draw, (events, dice) => {
        const circuit = start(() => dice);
        for (const one of events) {
          if (one === 'pass') circuit.pass(3_000);
          else circuit[one](key);
          const forMs = circuit.closedForMs(key) ?? 0;
          expect(forMs).toBeLessThanOrEqual(60_000);
          expect(forMs > 0).toBe(circuit.mayTake(key) === 0);
        }
      }),
    );
  });
});

describe('the budget of second tries', () => {
  it('is bounded by what is saved, what succeeds and what time gives', () => {
    const event = fc.oneof(
      fc.constant({ kind: 'retry' as const, count: 20 }),
      fc.record({ kind: fc.constant('succeed' as const), count: fc.nat(30) }),
      fc.record({ kind: fc.constant('pass' as const), count: fc.nat(5_000) }),
    );
    fc.assert(
      fc.property(fc.array(event, { maxLength: 100 }), (events) => {
        const circuit = start();
        let retries = 0;
        let given = 50;
        for (const { count, kind } of events) {
          if (kind === 'pass') {
            circuit.pass(count);
            given += (count / 1_000) * 5;
          } else if (kind === 'succeed') {
            circuit.succeed(count);
            given += count * 0.2;
          } else {
            for (let index = 0; index < count; index += 1) if (circuit.mayRetry(key)) retries += 1;
          }
          expect(retries).toBeLessThanOrEqual(given + 1e-6);
        }
      }),
    );
  });

  it('comes back without any success', () => {
    const circuit = start();
    for (let index = 0; index < 60; index += 1) circuit.mayRetry(key);
    expect(circuit.mayRetry(key)).toBe(false);
    circuit.pass(200);
    expect(circuit.mayRetry(key)).toBe(true);
  });
});
