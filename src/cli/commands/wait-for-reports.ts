/** Waits until nothing of a tenant's backlog of reports is left, or something holds it. */

import { setTimeout as pause } from 'node:timers/promises';
import { type OperationName, pathOf } from '../../client/request.ts';
import { fieldOf, isRow } from '../output/fields.ts';
import { startProgress } from '../output/progress.ts';
import type { VerbCall } from './declare.ts';

const status: OperationName = 'GET /tenants/{tenantId}/status';
const pollIntervalMs = 1_000;

export async function waitForReports({ api, output, parameters }: VerbCall): Promise<void> {
  const poll = async () => {
    const answer = await api.call('GET', pathOf(status, parameters));
    const row = isRow(answer) ? answer : {};
    const hold = fieldOf(row, 'hold.detail');
    return {
      left: Number(fieldOf(row, 'backlog.reports') ?? 0),
      held: typeof hold === 'string' ? hold : row.paused === true ? 'the tenant is paused' : undefined,
    };
  };
  let seen = await poll();
  const total = seen.left;
  const bar = await startProgress('reports', 'sent', total);
  try {
    while (seen.left > 0 && seen.held === undefined) {
      bar.update(total - Math.min(seen.left, total));
      await pause(pollIntervalMs);
      seen = await poll();
    }
    bar.update(total - Math.min(seen.left, total));
  } finally {
    bar.stop();
  }
  if (seen.held !== undefined) output.say(`${seen.left} reports wait: ${seen.held}`);
  else output.say('nothing is left to tell');
}
