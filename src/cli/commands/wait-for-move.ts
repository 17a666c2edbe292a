/** Waits until a step of a move is written. A comparison of both instances has no end of its own and is not waited for. */

import { setTimeout as pause } from 'node:timers/promises';
import { type OperationName, pathOf } from '../../client/request.ts';
import { fieldOf, isRow, type Row } from '../output/fields.ts';
import { startProgress } from '../output/progress.ts';
import type { VerbCall } from './declare.ts';

const operation: OperationName = 'GET /tenants/{tenantId}/moves/{moveId}';
const pollIntervalMs = 500;

const count = (move: Row, field: string): number => Number(fieldOf(move, field) ?? 0);

export async function waitForMove({ api, output, parameters }: VerbCall): Promise<void> {
  const poll = async (): Promise<Row> => {
    const answer = await api.call('GET', pathOf(operation, parameters));
    return isRow(answer) ? answer : {};
  };
  let move = await poll();
  const total = count(move, 'pending');
  const bar = await startProgress('routes', 'written', total);
  try {
    while (count(move, 'pending') > 0 && move.paused !== true) {
      bar.update(total - Math.min(total, count(move, 'pending')));
      await pause(pollIntervalMs);
      move = await poll();
    }
    bar.update(total - Math.min(total, count(move, 'pending')));
  } finally {
    bar.stop();
  }
  const [moved, all] = [count(move, 'devices.moved'), count(move, 'devices.total')];
  output.say(
    `${String(move.state)}: ${moved} of ${all} devices moved, ${count(move, 'devices.rolledBack')} taken back`,
  );
}
