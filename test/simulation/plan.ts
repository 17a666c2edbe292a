import type { Random } from '../../src/simulator/random.ts';

/** What a seed decides before anything happens: sizes, settings and which troubles there are. */

/** `refusals` end in `failed`; the others are told again and again, alone. */
export const poisons = [
  'refused',
  'not-found',
  'http-400',
  'failed-later',
  'body-500',
  'http-500',
  'reset',
] as const;
export type Poison = (typeof poisons)[number];
export const endsFailed = (poison: Poison): boolean => !['body-500', 'http-500', 'reset'].includes(poison);

export interface Plan {
  readonly seed: number;
  /**
   * Processes live, nothing freezes, the database answers: then no lease ever runs out, and the strict form of the
   * laws holds.
   */
  readonly calm: boolean;
  readonly processes: number;
  readonly tenants: number;
  /** Most devices of a tenant. */
  readonly devices: number;
  readonly poisonShare: number;
  readonly maxDevices: number;
  readonly rows: number;
  readonly scheduleRows: number;
  readonly timeoutMs: number;
  readonly uploadStatusSeconds: number;
  readonly holdRecheckSeconds: number;
  readonly backoff: { readonly baseSeconds: number; readonly maxSeconds: number };
  /** New states keep coming for a while after the troubles: nobody may be kept waiting by it. */
  readonly goesOn: boolean;
  /** Troubles last so long; then all of them end. */
  readonly troubleMs: number;
}

export function planOf(seed: number, random: Random): Plan {
  const rows = random.integer(6, 64);
  return {
    seed,
    calm: random.next() < 0.4,
    processes: random.integer(1, 4),
    tenants: random.integer(1, 4),
    devices: random.pick([1, 3, 8, 20]),
    poisonShare: random.pick([0, 0.1, 0.2, 0.4]),
    maxDevices: random.integer(1, 8),
    rows,
    scheduleRows: random.integer(2, rows),
    timeoutMs: random.pick([10_000, 25_000]),
    uploadStatusSeconds: random.integer(1, 8),
    holdRecheckSeconds: random.integer(5, 20),
    backoff: { baseSeconds: 1, maxSeconds: 20 },
    goesOn: random.next() < 0.3,
    troubleMs: random.integer(30, 120) * 1_000,
  };
}
