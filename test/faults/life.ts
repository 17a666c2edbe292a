import { registeredDeviceIds } from '../../src/simulator/jamf/inventory.ts';
import { renderComputer, sectionNames } from '../../src/simulator/jamf/inventory-versions.ts';
import { complianceFacts, type Mac } from '../../src/simulator/jamf/mac.ts';
import { computerEvent, envelope } from '../../src/simulator/jamf/webhook-events.ts';
import { createRandom } from '../../src/simulator/random.ts';
import type { World } from '../../src/simulator/world.ts';
import type { AddedInstance } from '../harness/gateway.ts';
import type { Change } from './changes.ts';
import type { ReportedState } from './promptness.ts';
import type { Senders } from './senders.ts';
import { nextVersion } from './versions.ts';

/** The Macs of the world while it storms: each change makes the next version, which Intune gets to see. */
export interface Life {
  readonly counts: { changes: number; lost: number; doubled: number; late: number; replayed: number };
  /** Every Mac comes in by a push of its instance. */
  introduce(): void;
  /** Changes `rate` Macs a second from now on. */
  start(rate: number): void;
  /** A new state of each of these Macs of one instance, in one push. */
  changeTogether(macs: readonly Mac[]): void;
  /** What is late or gathered for a push is still sent. */
  stop(): void;
  /** A new state of this Mac, told by a webhook. */
  touch(mac: Mac): void;
  /** Nothing waits any more to be handed to the senders. */
  isQuiet(): boolean;
}

export interface LifeOptions {
  readonly world: World;
  readonly instances: ReadonlyMap<string, AddedInstance>;
  readonly senders: Senders;
  readonly nextChange: () => Change;
  /** These states were answered 202. */
  readonly accepted: (states: readonly ReportedState[]) => void;
}

const isCompliant = ({ facts }: Mac): boolean =>
  facts.fileVaultEnabled && facts.firewallEnabled && facts.gatekeeperEnabled && facts.sipEnabled;

const tickMs = 50;
const introducedTogether = 200;
/** Records that are gathered into one push, at most, and for how long. */
const gathered = 20;
const gatheredMs = 1000;
const keptPushes = 200;

type Together = 'array' | 'ndjson';

/** A record as its instance pushes it, and the states that it tells. */
interface Said {
  readonly record: string;
  readonly states: readonly ReportedState[];
}

/** The state of a Mac as it is now, once for each of its registrations. */
const statesOf = ({ facts, instanceName, tenantId }: Mac): ReportedState[] =>
  registeredDeviceIds(facts).map((deviceId) => ({
    tenantId,
    instance: instanceName,
    deviceId,
    osVersion: facts.osVersion,
  }));

interface Push {
  readonly instance: AddedInstance;
  readonly body: string;
  readonly type: 'application/json' | 'application/x-ndjson';
  readonly states: readonly ReportedState[];
}

function together(instance: AddedInstance, way: Together, said: readonly Said[]): Push {
  const records = said.map(({ record }) => record);
  const states = said.flatMap((one) => one.states);
  return way === 'array'
    ? { instance, body: `[${records.join(',')}]`, type: 'application/json', states }
    : { instance, body: records.join('\n'), type: 'application/x-ndjson', states };
}

/** What an instance says of its Macs, as its webhooks and its inventory have it. */
function speaker(world: World) {
  const placeOf = (mac: Mac) => {
    const jamf = world.instance(mac.instanceName);
    const computer = jamf.computers.get(mac.computerId);
    if (!computer) throw new Error(`${mac.instanceName} has no computer ${mac.computerId}`);
    return { jamf, computer };
  };
  return {
    webhook: (mac: Mac): string => {
      const { computer, jamf } = placeOf(mac);
      const { variants } = jamf.webhooks;
      const head = { id: 1, name: 'inventory', contentType: 'application/json' };
      const event = 'ComputerInventoryCompleted';
      return envelope(head, event, computerEvent(computer, variants), { atMs: Date.now(), variants });
    },
    record: (mac: Mac): Said => {
      const { computer, jamf } = placeOf(mac);
      const context = { version: jamf.version(), groups: jamf.groups.list() };
      const version = mac.instanceName === 'paris' ? 3 : 4;
      const wanted = new Set(sectionNames(version));
      const record = JSON.stringify(renderComputer(computer, { version, wanted, context }));
      return { record, states: statesOf(mac) };
    },
  };
}

/** Gathers records of one instance until there are enough for a push, or the first has waited long enough. */
function gatherer(deliver: (push: Push) => void) {
  const waiting = new Map<string, { records: Said[]; flush: () => void; timer: NodeJS.Timeout }>();
  return {
    add: (instance: AddedInstance, way: Together, record: Said): void => {
      const key = `${instance.id} ${way}`;
      const known = waiting.get(key);
      if (known) {
        known.records.push(record);
        if (known.records.length >= gathered) known.flush();
        return;
      }
      const records = [record];
      const flush = (): void => {
        clearTimeout(timer);
        waiting.delete(key);
        deliver(together(instance, way, records));
      };
      const timer = setTimeout(flush, gatheredMs);
      waiting.set(key, { records, flush, timer });
    },
    flush: (): void => {
      for (const { flush } of [...waiting.values()]) flush();
    },
  };
}

export function createLife({ accepted, instances, nextChange, senders, world }: LifeOptions): Life {
  // Apart from the plan's: which defect a Mac has is no part of it.
  const random = createRandom(world.seed ^ 0x11fe);
  const counts = { changes: 0, lost: 0, doubled: 0, late: 0, replayed: 0 };
  const macs = world.fleet.macs();
  const say = speaker(world);
  const past: Push[] = [];
  let timer: NodeJS.Timeout | undefined;
  let waiting = 0;

  const instanceOf = (mac: Mac): AddedInstance => {
    const instance = instances.get(mac.instanceName);
    if (!instance) throw new Error(`no instance ${mac.instanceName}`);
    return instance;
  };
  const push = (made: Push): void => {
    past[counts.changes % keptPushes] = made;
    senders.push(made.instance, made.body, made.type, () => accepted(made.states));
  };
  /** Sends it as often as it is called; it says what is so now. */
  const teller = (mac: Mac): (() => void) => {
    const [instance, body, states] = [instanceOf(mac), say.webhook(mac), statesOf(mac)];
    return () => senders.webhook(instance, body, () => accepted(states));
  };
  const gather = gatherer(push);

  const tellByWebhook = (mac: Mac, { doubled, lateMs, lost }: Change): void => {
    if (lost) {
      counts.lost += 1;
      return;
    }
    // A late one says what was, as one that was held up on its way.
    const send = teller(mac);
    if (doubled) {
      counts.doubled += 1;
      send();
    }
    if (lateMs === 0) {
      send();
      return;
    }
    counts.late += 1;
    waiting += 1;
    setTimeout(() => {
      waiting -= 1;
      send();
    }, lateMs);
  };
  const replayOld = (): void => {
    const old = past[random.integer(0, keptPushes - 1)];
    if (!old) return;
    counts.replayed += 1;
    senders.push(old.instance, old.body, old.type, () => accepted(old.states));
  };
  const renew = (mac: Mac, flips: boolean): void => {
    const facts = flips ? complianceFacts(random, !isCompliant(mac)) : {};
    world.fleet.updateInventory(mac, { ...facts, osVersion: nextVersion(mac.facts.osVersion) });
    counts.changes += 1;
  };
  const apply = (change: Change): void => {
    const mac = macs[change.mac];
    if (!mac) return;
    renew(mac, change.flips);
    if (change.replaysOld) replayOld();
    const instance = instanceOf(mac);
    if (change.way === 'webhook') tellByWebhook(mac, change);
    else if (change.way === 'single') {
      const { record, states } = say.record(mac);
      push({ instance, body: record, type: 'application/json', states });
    } else gather.add(instance, change.way, say.record(mac));
  };

  return {
    counts,
    introduce: () => {
      for (const [name, instance] of instances) {
        const own = macs.filter((mac) => mac.instanceName === name);
        for (let from = 0; from < own.length; from += introducedTogether) {
          const some = own.slice(from, from + introducedTogether);
          const { body, states, type } = together(instance, 'ndjson', some.map(say.record));
          senders.push(instance, body, type, () => accepted(states));
        }
      }
    },
    start: (rate) => {
      const startedAt = performance.now();
      let made = 0;
      timer = setInterval(() => {
        const due = ((performance.now() - startedAt) / 1000) * rate;
        for (; made < due; made += 1) apply(nextChange());
      }, tickMs);
    },
    changeTogether: (some) => {
      const [first] = some;
      if (!first) return;
      for (const mac of some) renew(mac, false);
      push(together(instanceOf(first), 'ndjson', some.map(say.record)));
    },
    stop: () => {
      clearInterval(timer);
      gather.flush();
    },
    touch: (mac) => {
      world.fleet.updateInventory(mac, { osVersion: nextVersion(mac.facts.osVersion) });
      teller(mac)();
    },
    isQuiet: () => waiting === 0,
  };
}
