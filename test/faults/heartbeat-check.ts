import type { HeartbeatTurn } from './witness.ts';

/**
 * A tenant has one heartbeat a period, whoever sends it. A process takes the period in the database and sends then, so:
 *
 * - of two turns the second is taken a period after the first (less a tenth of jitter), unless the next one was brought
 *   forward between them, as a refused one is;
 * - each heartbeat that comes to Intune has a turn of its own, taken before it.
 *
 * A turn without a heartbeat is none: its process may have ended.
 */
export interface HeartbeatCheckOptions {
  readonly turns: readonly HeartbeatTurn[];
  /** When Intune got one, before any fault delayed it. */
  readonly arrivals: readonly { readonly tenantId: string; readonly at: number }[];
  readonly periodSeconds: number;
}

/** A tenth of jitter. */
const shortestShare = 0.9;
/** A turn may wait for a place among the requests of its tenant before it is sent. */
const sentWithinPeriods = 2;

const show = (at: number): string => new Date(at).toISOString();

function tooSoon(turns: readonly HeartbeatTurn[], shortestMs: number): string[] {
  return turns.flatMap((turn, index) => {
    const before = turns[index - 1];
    if (!turn.taken || !before?.taken || turn.at - before.at >= shortestMs) return [];
    return [`turn ${turn.tenantId}: taken at ${show(before.at)} and again at ${show(turn.at)}`];
  });
}

/** Those for which no turn is left; each takes the newest that nobody has taken yet. */
function withoutTurn(times: readonly number[], turns: readonly number[], periodMs: number): number[] {
  const left = new Set(turns);
  return times.filter((at) => {
    const own = [...left].filter((turn) => turn <= at && turn >= at - sentWithinPeriods * periodMs).at(-1);
    if (own === undefined) return true;
    left.delete(own);
    return false;
  });
}

/** One line for each violation. */
export function checkHeartbeats({ arrivals, periodSeconds, turns }: HeartbeatCheckOptions): string[] {
  const periodMs = periodSeconds * 1_000;
  const byTenant = Map.groupBy(turns, ({ tenantId }) => tenantId);
  return [...byTenant].flatMap(([tenantId, own]) => {
    const taken = own.filter((turn) => turn.taken).map(({ at }) => at);
    const [first = Number.POSITIVE_INFINITY] = taken;
    // One that came before the first turn that was seen had its turn before anybody looked.
    const times = arrivals
      .filter((arrival) => arrival.tenantId === tenantId && arrival.at >= first)
      .map(({ at }) => at)
      .sort((a, b) => a - b);
    return [
      ...tooSoon(own, periodMs * shortestShare),
      ...withoutTurn(times, taken, periodMs).map(
        (at) => `heartbeat ${tenantId}: one came at ${show(at)} for which no turn was taken`,
      ),
    ];
  });
}
