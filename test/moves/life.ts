import { Agent, request } from 'undici';
import { renderComputer, sectionNames } from '../../src/simulator/jamf/inventory-versions.ts';
import type { World } from '../../src/simulator/world.ts';
import { nextVersion } from '../faults/versions.ts';
import type { AddedInstance } from '../harness/gateway.ts';
import type { Twin } from './twins.ts';

/** Macs that change, and both instances that push each new state: what is answered 202 has to reach Intune, once. */

export interface Life {
  /** Every Mac comes in by pushes of both instances. */
  introduce(): Promise<void>;
  /** Changes so many Macs a second until it is stopped. */
  start(perSecond: number): void;
  /** Ends the changes and waits until the last push is accepted. */
  stop(): Promise<void>;
  changes(): number;
}

export interface LifeOptions {
  readonly world: World;
  readonly origin: string;
  readonly ca: string;
  readonly twins: readonly Twin[];
  readonly from: AddedInstance;
  readonly to: AddedInstance;
  readonly names: { readonly from: string; readonly to: string };
}

const recordsPerPush = 500;
const tickMs = 50;
const pushTries = 5;

export function createLife({ ca, from, names, origin, to, twins, world }: LifeOptions): Life {
  const agent = new Agent({ connections: 8, connect: { ca } });
  const open = new Set<Promise<void>>();
  let timer: NodeJS.Timeout | undefined;
  let changed = 0;

  const recordOf = (side: 'from' | 'to', twin: Twin): string => {
    const jamf = world.instance(names[side]);
    const context = { version: jamf.version(), groups: jamf.groups.list() };
    return JSON.stringify(
      renderComputer(twin[side], { version: 4, wanted: new Set(sectionNames(4)), context }),
    );
  };
  const push = async ({ id, key }: AddedInstance, records: readonly string[]): Promise<void> => {
    for (let made = 1; ; made += 1) {
      const answer = await request(`${origin}/jamf/${id}/inventory`, {
        method: 'POST',
        dispatcher: agent,
        headers: { 'content-type': 'application/x-ndjson', 'x-api-key': key },
        body: records.join('\n'),
      });
      const text = await answer.body.text();
      if (answer.statusCode === 202 && JSON.parse(text).rejected.length === 0) return;
      if (made === pushTries || answer.statusCode < 500)
        throw new Error(`a push was answered ${answer.statusCode}: ${text.slice(0, 300)}`);
    }
  };
  /** Both records are of the same inventory, as where one Jamf Pro's database was copied to the other. */
  const change = (twin: Twin): void => {
    world.fleet.updateInventory(twin.mac, { osVersion: nextVersion(twin.mac.facts.osVersion) });
    world.instance(names.to).macs.report(twin.to.id, twin.mac.facts);
    twin.to.reportDate = twin.from.reportDate;
    twin.to.lastCheckIn = twin.from.lastCheckIn;
    changed += 1;
    for (const [side, instance] of [
      ['from', from],
      ['to', to],
    ] as const) {
      const pushing = push(instance, [recordOf(side, twin)]).finally(() => open.delete(pushing));
      open.add(pushing);
    }
  };
  return {
    introduce: async () => {
      for (const [side, instance] of [
        ['from', from],
        ['to', to],
      ] as const) {
        for (let at = 0; at < twins.length; at += recordsPerPush)
          await push(
            instance,
            twins.slice(at, at + recordsPerPush).map((twin) => recordOf(side, twin)),
          );
      }
    },
    start: (perSecond) => {
      const startedAt = performance.now();
      const before = changed;
      timer = setInterval(() => {
        const due = before + Math.floor(((performance.now() - startedAt) / 1_000) * perSecond);
        while (changed < due) change(twins[(changed * 104_729) % twins.length]!);
      }, tickMs);
    },
    stop: async () => {
      clearInterval(timer);
      await Promise.all(open);
      await agent.destroy();
    },
    changes: () => changed,
  };
}
