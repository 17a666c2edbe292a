import type { JamfInstance } from './jamf/instance.ts';
import type { MacFacts } from './jamf/inventory.ts';
import { type Mac, nextSystem } from './jamf/mac.ts';
import type { Random } from './random.ts';

export interface FleetLife {
  /** One Mac does something every `everyMs` (default: 1000) until `stop`; a second call only changes the rate. */
  start(options?: { readonly everyMs?: number }): void;
  isAlive(): boolean;
  /** Every Mac sends its inventory now, spread evenly over `spreadMs`; says how many Macs that is. */
  announce(options?: { readonly spreadMs?: number }): number;
  /** Ends the fleet's life and an announcement under way; nothing happens afterwards. */
  stop(): void;
}

export interface FleetLifeOptions {
  readonly random: Random;
  readonly macs: () => readonly Mac[];
  readonly instanceNamed: (name: string) => JamfInstance;
  readonly checkIn: (mac: Mac) => void;
  readonly updateInventory: (mac: Mac, changes?: Partial<MacFacts>) => void;
  readonly setCompliant: (mac: Mac, compliant: boolean) => void;
}

const announceStepMs = 20;

/** Plays the events of Macs: mostly check-ins, some inventory, now and then a change that counts. */
export function createFleetLife(options: FleetLifeOptions): FleetLife {
  const { random } = options;
  let life: NodeJS.Timeout | undefined;
  const announcements = new Set<NodeJS.Timeout>();

  const act = (): void => {
    const reporting = options.macs().filter((mac) => mac.reporting);
    if (reporting.length === 0) return;
    const mac = random.pick(reporting);
    const dice = random.next();
    if (dice < 0.65) options.checkIn(mac);
    else if (dice < 0.75) {
      const { macs } = options.instanceNamed(mac.instanceName);
      macs.finishPolicy(mac.computerId, random.integer(1, 40), random.next() < 0.95);
    } else if (dice < 0.88) options.updateInventory(mac);
    else if (dice < 0.91) options.updateInventory(mac, nextSystem(random));
    else options.setCompliant(mac, random.next() < 0.85);
  };

  return {
    start: ({ everyMs = 1000 } = {}) => {
      clearInterval(life);
      life = setInterval(act, everyMs);
    },
    isAlive: () => life !== undefined,
    announce: ({ spreadMs = 0 } = {}) => {
      const macs = options.macs().filter((mac) => mac.reporting);
      if (spreadMs <= 0) {
        for (const mac of macs) options.updateInventory(mac);
        return macs.length;
      }
      const startedAt = performance.now();
      let done = 0;
      const timer = setInterval(() => {
        const due = Math.ceil(macs.length * Math.min(1, (performance.now() - startedAt) / spreadMs));
        for (const mac of macs.slice(done, due)) if (mac.reporting) options.updateInventory(mac);
        done = due;
        if (done < macs.length) return;
        clearInterval(timer);
        announcements.delete(timer);
      }, announceStepMs);
      announcements.add(timer);
      return macs.length;
    },
    stop: () => {
      clearInterval(life);
      life = undefined;
      for (const timer of announcements) clearInterval(timer);
      announcements.clear();
    },
  };
}
