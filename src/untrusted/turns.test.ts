import { describe, expect, it } from 'vitest';
import { createJobs, createTurns } from './turns.ts';

const loopTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Slices that a lone work gets while the others use the loop for so long in each turn, by a clock that the test moves. */
async function slicesBeside(othersMs: number): Promise<number[]> {
  let nowMs = 1_000;
  let goesOn = true;
  const others = (): void => {
    nowMs += othersMs;
    if (goesOn) setImmediate(others);
  };
  const work = createTurns(() => nowMs).work('berlin');
  const slices: number[] = [];
  setImmediate(others);
  await work.turn();
  for (let round = 0; round < 6; round += 1) {
    const from = nowMs;
    while (!work.isOver()) nowMs += 0.01;
    slices.push(nowMs - from);
    await work.turn();
  }
  goesOn = false;
  await loopTurn();
  return slices;
}

describe('turns', () => {
  it('let one pass of 50 that ask in one turn of the loop', async () => {
    const turns = createTurns();
    let passed = 0;
    const all = Array.from({ length: 50 }, async (_, at) => {
      await turns.work(`instance-${at}`).turn();
      passed += 1;
    });
    await Promise.resolve();
    await Promise.resolve();
    expect(passed).toBe(1);
    for (const expected of [2, 3, 4]) {
      await loopTurn();
      expect(passed).toBe(expected);
    }
    await Promise.all(all);
  });

  it('let several pass in one turn of the loop while they are short together', async () => {
    const turns = createTurns(() => 1_000);
    const [first, second] = [turns.work('berlin'), turns.work('paris')];
    await first.turn();
    expect(first.isOver()).toBe(false);
    let hasPassed = false;
    void second.turn().then(() => {
      hasPassed = true;
    });
    await Promise.resolve();
    await Promise.resolve();
    expect(hasPassed).toBe(true);
  });

  it.each([
    ['as long as the others used in the turn before', 0.3, 0.3],
    ['0.25 ms at least', 0, 0.25],
    ['2 ms at most', 20, 2],
  ])('are %s', async (_, othersMs, sliceMs) => {
    const [first, ...later] = await slicesBeside(othersMs);
    // Nothing is known of the others yet.
    expect(first).toBeCloseTo(0.25, 1);
    for (const slice of later) expect(slice).toBeCloseTo(sliceMs, 1);
  });

  it('take no time in which nobody asked for the time of the others', async () => {
    let nowMs = 1_000;
    const work = createTurns(() => nowMs).work('berlin');
    await work.turn();
    work.isOver();
    await loopTurn();
    nowMs += 60_000;
    await work.turn();
    nowMs += 0.3;
    expect(work.isOver()).toBe(true);
  });

  it('of a work that did not tell its end are over with the turn of the loop', async () => {
    const turns = createTurns();
    await turns.work('berlin').turn();
    let hasPassed = false;
    const other = turns
      .work('paris')
      .turn()
      .then(() => {
        hasPassed = true;
      });
    await Promise.resolve();
    expect(hasPassed).toBe(false);
    await loopTurn();
    expect(hasPassed).toBe(true);
    await other;
  });

  it('alternate between keys, whatever number of works each has', async () => {
    let nowMs = 1_000;
    const turns = createTurns(() => nowMs);
    const order: string[] = [];
    const read = async (key: string): Promise<void> => {
      const work = turns.work(key);
      await work.turn();
      order.push(key);
      nowMs += 5;
      expect(work.isOver()).toBe(true);
    };
    await Promise.all(['a', 'a', 'a', 'a', 'b', 'b'].map(read));
    // The first one passed at once.
    expect(order.join('')).toBe('aababa');
  });
});

describe('jobs in turns', () => {
  const others = (spend: () => void) => {
    let goesOn = true;
    const run = (): void => {
      spend();
      if (goesOn) setImmediate(run);
    };
    setImmediate(run);
    return () => {
      goesOn = false;
    };
  };

  it('share a slice, as many as fit', async () => {
    let nowMs = 1_000;
    const lots: number[] = [];
    let done = 0;
    const end = others(() => {
      nowMs += 0.5;
      lots.push(done);
      done = 0;
    });
    const inTurn = createJobs(createTurns(() => nowMs));
    const jobs = Array.from({ length: 200 }, () =>
      inTurn('berlin', () => {
        nowMs += 0.0625;
        done += 1;
      }),
    );
    expect(done).toBe(0);
    await Promise.all(jobs);
    end();
    expect(Math.max(...lots)).toBe(8);
    expect(lots.length).toBeLessThan(40);
  });

  it('of one key do not wait for all those of another', async () => {
    let nowMs = 1_000;
    const inTurn = createJobs(createTurns(() => nowMs));
    const order: string[] = [];
    const job = (key: string) => () => {
      nowMs += 1;
      order.push(key);
    };
    const all = Array.from({ length: 20 }, () => inTurn('noisy', job('noisy')));
    await Promise.all([...all, inTurn('quiet', job('quiet'))]);
    expect(order.indexOf('quiet')).toBeLessThan(3);
  });

  it('answer what the job does, and fail alone', async () => {
    const inTurn = createJobs(createTurns());
    const fails = inTurn('berlin', () => {
      throw new RangeError('no record');
    });
    const works = inTurn('berlin', () => 7);
    await expect(fails).rejects.toThrow('no record');
    expect(await works).toBe(7);
    expect(await inTurn('berlin', () => 8)).toBe(8);
  });
});
