/**
 * Delivery by one of several processes. Each does the work that belongs to itself, such as counting what it shadowed; the one
 * whose turn it is delivers besides, from then on to its end.
 */

import type { DueNotifications } from '../../store/notifications.ts';
import type { Log } from '../../telemetry/log.ts';
import type { Delivery, DeliveryMemory } from '../delivery.ts';
import { runWorks } from '../works.ts';
import type { Member } from './member.ts';

type Delivering = Pick<Delivery, 'stop'>;

export interface TurnParts {
  readonly log: Log;
  readonly memory: DeliveryMemory;
  readonly notifications: DueNotifications;
  readonly begin: () => Promise<Delivering>;
}

export function deliverInTurn(
  member: Pick<Member, 'onTurn' | 'rested'>,
  { begin, log, memory, notifications }: TurnParts,
): Delivering {
  const own = runWorks(
    log,
    memory.background.filter(({ of }) => of === 'process'),
    memory.times,
  );
  let isStopping = false;
  let begun: Promise<Delivering | undefined> | undefined;
  const take = async (): Promise<Delivering | undefined> => {
    await own.stop();
    if (isStopping) return undefined;
    const delivering = await begin();
    log.info('process.delivers');
    return delivering;
  };
  member.onTurn(() => {
    begun ??= take();
    begun.catch((error: unknown) => {
      if (isStopping) return;
      // It ends the process, and the supervisor gives the turn to another one.
      setImmediate(() => {
        throw error;
      });
    });
  });
  return {
    stop: async () => {
      isStopping = true;
      await own.stop();
      const delivering = await begun?.catch(() => undefined);
      await (delivering ? delivering.stop() : notifications.stop());
      member.rested();
    },
  };
}
