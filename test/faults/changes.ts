import { createRandom } from '../../src/simulator/random.ts';

/** What happens to one Mac and how its instance tells of it. */
export interface Change {
  /** Number of the Mac. */
  readonly mac: number;
  /** Whether its compliance turns with it. */
  readonly flips: boolean;
  /** `single`, `array` and `ndjson` push the record; the last two wait for others of the instance. */
  readonly way: 'webhook' | 'single' | 'array' | 'ndjson';
  /** Of a webhook; a push is never lost, it is sent until it is answered. */
  readonly lost: boolean;
  readonly doubled: boolean;
  /** So long after the change, so that later ones overtake it. */
  readonly lateMs: number;
  /** A push from before is sent once more. */
  readonly replaysOld: boolean;
}

/** Macs that change all the time: it is they who would show an older state after a newer one. */
const hotShare = 0.2;
const hotMacs = 20;

/** The endless row of changes of a seed; each is the same whatever became of the ones before. */
export function planChanges(seed: number, macs: number, lost: number): () => Change {
  const random = createRandom(seed ^ 0x00c4_a96e);
  return () => {
    const hot = random.next() < hotShare;
    const mac = random.integer(0, (hot ? Math.min(hotMacs, macs) : macs) - 1);
    const flips = random.next() < 0.3;
    const way = random.next();
    const late = random.next();
    const lateMs = random.integer(500, 6000);
    return {
      mac,
      flips,
      way: way < 0.65 ? 'webhook' : way < 0.8 ? 'single' : way < 0.9 ? 'array' : 'ndjson',
      lost: random.next() < lost,
      doubled: random.next() < 0.05,
      lateMs: late < 0.06 ? lateMs : 0,
      replaysOld: random.next() < 0.02,
    };
  };
}
