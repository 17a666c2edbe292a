import { createRoute, z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { parseGuid } from '../../ids.ts';
import { ProblemError, problem } from '../../problems.ts';
import { askReconciliation } from '../../store/computers/reading.ts';
import type { Transaction } from '../../store/database.ts';
import { listInstances } from '../../store/instances/instance.ts';
import {
  type DecidableHold,
  decideHold,
  type HoldKey,
  lockHold,
  readHeldByInstance,
  wakeReleased,
} from '../../store/reports/mass-changes.ts';
import { requireRole, tenantOf } from '../access.ts';
import type { AdminApp, AdminEnv, AdminServices } from '../context.ts';
import { changing } from '../recording.ts';
import { checkIfMatch, commonProblems, jsonAnswer, problemAnswer, versionProblem } from '../schemas.ts';
import { holdPath, holdWithExamples, unknownHold } from './hold.ts';
import { answerHold } from './holds.ts';

/** `/holds/{holdId}/release` and `/refuse`: a person decides whether a mass change is right. */

const decision = z
  .object({ reason: z.string().trim().min(1).max(500).optional() })
  .strict()
  .openapi('HoldDecision');

const operation = (verb: 'release' | 'refuse', summary: string, description: string) =>
  createRoute({
    method: 'post',
    path: `/api/v1/tenants/{tenantId}/holds/{holdId}/${verb}`,
    operationId: `${verb}Hold`,
    tags: ['Holds'],
    summary,
    request: { params: holdPath, body: { content: { 'application/json': { schema: decision } } } },
    responses: {
      200: jsonAnswer(holdWithExamples, description),
      ...commonProblems,
      409: problemAnswer('conflict: it has ended'),
      ...versionProblem,
    },
  });

const release = operation(
  'release',
  'The change is right: Intune is told what was held',
  'Released: what was held is told, 100 devices a second, behind what is new',
);
const refuse = operation(
  'refuse',
  'The change is an accident: ask the instances again, and hold what they still say',
  'Refused: the instances that the held states came from are reconciled',
);

/** Asks the instances whose word was not believed; all of the tenant's where nothing is held. */
async function askAgain(tx: Transaction, key: HoldKey): Promise<number> {
  const enabled = (await listInstances(tx, key.tenantId)).filter((instance) => instance.enabled);
  const blamed = new Set((await readHeldByInstance(tx, key)).map(({ instanceId }) => instanceId));
  const asked = blamed.size === 0 ? enabled : enabled.filter(({ instanceId }) => blamed.has(instanceId));
  for (const { instanceId } of asked) await askReconciliation(tx, { tenantId: key.tenantId, instanceId });
  return asked.length;
}

export function addHoldDecisions(app: AdminApp, { sql }: AdminServices): void {
  /** Compare and set under the row's lock: of two that decide at once one does. */
  const decide = async (
    c: Context<AdminEnv>,
    verb: 'release' | 'refuse',
    given: string | undefined,
    act: (tx: Transaction, row: DecidableHold) => Promise<object>,
  ): Promise<HoldKey> => {
    const { tenantId } = await tenantOf(c, sql);
    const { name } = requireRole(c, 'operator');
    const holdId = parseGuid(c.req.param('holdId'));
    if (holdId === undefined) throw unknownHold();
    const reason = given ?? c.get('reason');
    const state = verb === 'release' ? 'released' : 'refused';
    await changing(c, sql, async (tx, note) => {
      const row = await lockHold(tx, { tenantId, holdId });
      if (!row) throw unknownHold();
      checkIfMatch(c.req.header('if-match'), row.version);
      if (row.state !== 'open' && row.state !== 'refused')
        throw new ProblemError(problem('conflict', `The hold has ended: it is ${row.state}.`));
      await decideHold(tx, row, { state, by: name, reason });
      const more = await act(tx, row);
      note({
        tenantId,
        action: `hold.${verb}`,
        object: { kind: 'hold', id: holdId },
        before: { state: row.state },
        after: { state, ...more },
        reason,
      });
    });
    return { tenantId, holdId };
  };

  app.openapi(release, async (c) => {
    const key = await decide(c, 'release', c.req.valid('json')?.reason, async () => ({}));
    await wakeReleased(sql, key);
    const { body, headers } = await answerHold(sql, key);
    return c.json(body, 200, headers);
  });

  app.openapi(refuse, async (c) => {
    const key = await decide(c, 'refuse', c.req.valid('json')?.reason, async (tx, row) => ({
      instances: await askAgain(tx, row),
    }));
    const { body, headers } = await answerHold(sql, key);
    return c.json(body, 200, headers);
  });
}
