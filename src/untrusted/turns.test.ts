import { describe, expect, it } from 'vitest';
import { createJobs, createTurns } from './turns.ts';

const loopTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A loop whose others use it for so long in each of its turns, by a clock that only they and the work move. */
function loopBeside(othersMs: number) {
  let nowMs = 1_000;
  let rounds = 0;
  let goesOn = true;
  const others = (): void => {
    nowMs += othersMs;
    rounds += 1;
    if (goesOn) setImmediate(others);
  };
  setImmediate(others);
  return {
    now: () => nowMs,
    spend: (ms: number) => {
      nowMs += ms;
    },
    rounds: () => rounds,
    end: () => {
      goesOn = false;
    },
  };
}

/** Length of each slice that a lone work gets beside such others, and the turns of the loop from one to the next. */
async function slicesBeside(othersMs: number) {
  const loop = loopBeside(othersMs);
  const work = createTurns(loop.now).work('berlin');
  const slices: number[] = [];
  const rounds: number[] = [];
  await work.turn();
  for (let slice = 0; slice < 8; slice += 1) {
    const [from, round] = [loop.now(), loop.rounds()];
    while (!work.isOver()) loop.spend(0.01);
    slices.push(loop.now() - from);
    await work.turn();
    rounds.push(loop.rounds() - round);
  }
  loop.end();
  await loopTurn();
  return { slices, rounds };
}

describe('turns', () => {
  it('let one pass of 50 that ask in one turn of the loop', async () => {
    const turns = createTurns(() => 1_000);
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
    ['twice as long as the work', 0.5, 4],
    ['one turn of the loop where that is longer', 20, 1],
    ['one turn of the loop where it does nothing else', 0.01, 1],
  ])('last a millisecond, and leave the others %s', async (_, othersMs, between) => {
    const { rounds, slices } = await slicesBeside(othersMs);
    for (const slice of slices) expect(slice).toBeCloseTo(1, 1);
    // The first slice may begin in the middle of a turn of the loop; 4 turns of 0.5 ms are 0.01 ms short at times.
    for (const seen of rounds.slice(1)) expect([between, between + 1]).toContain(seen);
  });

  it('leave the others their time also where the work waits for something else in between', async () => {
    const loop = loopBeside(0.5);
    const turns = createTurns(loop.now);
    const read = async (key: string): Promise<void> => {
      const work = turns.work(key);
      for (let lot = 0; lot < 10; lot += 1) {
        await work.turn();
        loop.spend(1);
        expect(work.isOver()).toBe(true);
        // The answer of a database.
        await loopTurn();
        await loopTurn();
      }
    };
    await Promise.all(['list', 'export', 'import', 'push'].map(read));
    loop.end();
    // 40 slices, each followed by 2 ms of the others.
    expect(loop.rounds()).toBeGreaterThanOrEqual(39 * 4);
    expect(loop.rounds()).toBeLessThanOrEqual(40 * 5);
    await loopTurn();
  });

  it('take no time in which nobody asked for the time of the others', async () => {
    let nowMs = 1_000;
    const work = createTurns(() => nowMs).work('berlin');
    await work.turn();
    work.isOver();
    await loopTurn();
    nowMs += 60_000;
    await work.turn();
    nowMs += 0.9;
    expect(work.isOver()).toBe(false);
    nowMs += 0.2;
    expect(work.isOver()).toBe(true);
  });

  it('of a work that did not tell its end are over with the turn of the loop', async () => {
    const turns = createTurns(() => 1_000);
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
      nowMs += 2;
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
    expect(Math.max(...lots)).toBe(16);
    expect(lots.length).toBeLessThan(20);
  });

  it('have what they lead to in their slice, too', async () => {
    let nowMs = 1_000;
    const lots: number[] = [];
    let done = 0;
    const end = others(() => {
      nowMs += 2;
      lots.push(done);
      done = 0;
    });
    const inTurn = createJobs(createTurns(() => nowMs));
    const begun = async (): Promise<void> => {
      for (let step = 0; step < 8; step += 1) await Promise.resolve();
      nowMs += 0.25;
      done += 1;
    };
    await Promise.all([
      ...Array.from({ length: 40 }, () => inTurn('berlin', begun)),
      ...Array.from({ length: 40 }, () => inTurn('berlin', () => undefined).then(begun)),
    ]);
    end();
    expect(Math.max(...lots)).toBe(4);
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

describe('jobs of many keys', () => {
  it('share a slice as those of one key do', async () => {
    const loop = loopBeside(5);
    const inTurn = createJobs(createTurns(loop.now));
    const keys = 500;
    const began = loop.rounds();
    await Promise.all(
      Array.from({ length: keys }, async (_, key) => inTurn(`tenant-${key}`, () => loop.spend(0.01))),
    );
    const rounds = loop.rounds() - began;
    loop.end();
    // A hundred of them fill a slice; each alone would take a round of the loop or more.
    expect(rounds).toBeGreaterThan(3);
    expect(rounds).toBeLessThan(keys / 10);
  });
});
