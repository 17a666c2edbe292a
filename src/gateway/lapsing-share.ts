/**
 * A fair share on Workers. The platform may cut a request off without a word, for its time, its processor or its memory, and
 * then nothing gives back what it held. So what is held lapses after a while; a request that lasts longer goes on uncounted.
 */

import { ChurningSet } from '../churn.ts';
import { monotonicMs } from '../clock.ts';
import { createFairShare, type FairShare, type FairShareOptions, type PartUse } from './fair-share.ts';

interface Held {
  readonly part: PartUse;
  readonly amount: number;
  readonly atMs: number;
}

export interface LapsingShareOptions extends FairShareOptions {
  readonly longestMs: number;
  /** Milliseconds of a clock that never goes back. */
  readonly now?: () => number;
}

export function createLapsingShare(options: LapsingShareOptions): FairShare {
  const { longestMs, now = monotonicMs } = options;
  const share = createFairShare(options);
  /** In the order in which it was taken. */
  const held = new ChurningSet<Held>();
  const ofPart = new WeakMap<PartUse, Held[]>();

  const give = (one: Held): void => {
    const others = ofPart.get(one.part) ?? [];
    others.splice(others.indexOf(one), 1);
    held.delete(one);
    share.give(one.part, one.amount);
  };
  const lapse = (): void => {
    for (const one of held) {
      if (now() - one.atMs < longestMs) return;
      give(one);
    }
  };
  return {
    partOf: share.partOf,
    take: (part, amount = 1) => {
      lapse();
      const busy = share.take(part, amount);
      if (busy !== undefined) return busy;
      const one = { part, amount, atMs: now() };
      held.add(one);
      const others = ofPart.get(part);
      if (others) others.push(one);
      else ofPart.set(part, [one]);
      return undefined;
    },
    isCrowded: (part) => {
      lapse();
      return share.isCrowded(part);
    },
    // What lapsed already is not given back twice.
    give: (part, amount = 1) => {
      const one = ofPart.get(part)?.find((other) => other.amount === amount);
      if (one !== undefined) give(one);
    },
  };
}
