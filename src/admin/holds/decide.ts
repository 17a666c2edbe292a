import { createRoute, z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { parseGuid } from '../../ids.ts';
import { ProblemError, problem } from '../../problems.ts';
import { askReconciliation } from '../../store/computers/reading.ts';
import type { Queries } from '../../store/database.ts';
import { type Instance, listInstances } from '../../store/instances/instance.ts';
import {
  countHeldBy,
  type DecidableHold,
  decideHold,
  type HoldKey,
  lockHold,
  readHeldByInstance,
  readHold,
  wakeReleased,
} from '../../store/reports/mass-changes.ts';
import { requireRole, tenantOf } from '../access.ts';
import type { AdminApp, AdminEnv, AdminServices } from '../context.ts';
import { changing } from '../recording.ts';
import {
  checkIfMatch,
  commonProblems,
  dryRunQuery,
  jsonAnswer,
  problemAnswer,
  versionProblem,
} from '../schemas.ts';
import { holdPath, holdWithExamples, unknownHold } from './hold.ts';
import { answerHold } from './holds.ts';

/** `/holds/{holdId}/release` and `/refuse`: a person decides whether a mass change is right. */

const decision = z
  .object({ reason: z.string().trim().min(1).max(500).optional() })
  .strict()
  .openapi('HoldDecision');

type Verb = 'release' | 'refuse';

const decided = holdWithExamples
  .extend({
    dryRun: z.boolean(),
    told: z.number().int().openapi({ description: 'Devices whose held state Intune is told of.' }),
    asked: z.number().int().openapi({ description: 'Instances that are asked again.' }),
  })
  .openapi('DecidedHold');

const operation = (verb: Verb, summary: string, description: string) =>
  createRoute({
    method: 'post',
    path: `/api/v1/tenants/{tenantId}/holds/{holdId}/${verb}`,
    operationId: `${verb}Hold`,
    tags: ['Holds'],
    summary,
    request: {
      params: holdPath,
      query: dryRunQuery,
      body: { content: { 'application/json': { schema: decision } } },
    },
    responses: {
      200: jsonAnswer(decided, `${description}. A dry run: the hold as it is, with what would follow`),
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

/** The instances whose word was not believed; all of the tenant's where nothing is held. */
async function instancesToAsk(sql: Queries, key: HoldKey): Promise<readonly Instance[]> {
  const enabled = (await listInstances(sql, key.tenantId)).filter((instance) => instance.enabled);
  const blamed = new Set((await readHeldByInstance(sql, key)).map(({ instanceId }) => instanceId));
  return blamed.size === 0 ? enabled : enabled.filter(({ instanceId }) => blamed.has(instanceId));
}

/** What follows from a decision. */
interface Following {
  readonly told: number;
  readonly asked: readonly Instance[];
}

async function followingOf(sql: Queries, verb: Verb, key: HoldKey): Promise<Following> {
  if (verb === 'refuse') return { told: 0, asked: await instancesToAsk(sql, key) };
  const held = await countHeldBy(sql, key.tenantId, [key.holdId]);
  return { told: held.get(key.holdId) ?? 0, asked: [] };
}

/** Throws `ProblemError` for a hold that is not there, is another version than the caller saw, or has ended. */
function checkDecidable(c: Context<AdminEnv>, row: DecidableHold | undefined): DecidableHold {
  if (!row) throw unknownHold();
  checkIfMatch(c.req.header('if-match'), row.version);
  if (row.state !== 'open' && row.state !== 'refused')
    throw new ProblemError(problem('conflict', `The hold has ended: it is ${row.state}.`));
  return row;
}

export function addHoldDecisions(app: AdminApp, { sql }: AdminServices): void {
  const keyOf = async (c: Context<AdminEnv>): Promise<HoldKey> => {
    const { tenantId } = await tenantOf(c, sql);
    requireRole(c, 'operator');
    const holdId = parseGuid(c.req.param('holdId'));
    if (holdId === undefined) throw unknownHold();
    return { tenantId, holdId };
  };
  /** Compare and set under the row's lock: of two that decide at once one does. */
  const decide = (c: Context<AdminEnv>, verb: Verb, key: HoldKey, reason: string | undefined) =>
    changing(c, sql, async (tx, note): Promise<Following> => {
      const row = checkDecidable(c, await lockHold(tx, key));
      const state = verb === 'release' ? 'released' : 'refused';
      await decideHold(tx, row, { state, by: c.get('operator').name, reason });
      const following = await followingOf(tx, verb, key);
      const { tenantId } = key;
      for (const { instanceId } of following.asked) await askReconciliation(tx, { tenantId, instanceId });
      note({
        tenantId,
        action: `hold.${verb}`,
        object: { kind: 'hold', id: key.holdId },
        before: { state: row.state },
        after: { state, ...(verb === 'refuse' ? { instances: following.asked.length } : {}) },
        reason,
      });
      return following;
    });
  const rehearse = async (c: Context<AdminEnv>, verb: Verb, key: HoldKey): Promise<Following> => {
    checkDecidable(c, await readHold(sql, key));
    return followingOf(sql, verb, key);
  };
  const take = async (c: Context<AdminEnv>, verb: Verb, given: { dryRun: boolean; reason?: string }) => {
    const { dryRun, reason = c.get('reason') } = given;
    const key = await keyOf(c);
    const { asked, told } = await (dryRun ? rehearse(c, verb, key) : decide(c, verb, key, reason));
    if (verb === 'release' && !dryRun) await wakeReleased(sql, key);
    const { body, headers } = await answerHold(sql, key);
    return [{ ...body, dryRun, told, asked: asked.length }, headers] as const;
  };

  for (const [verb, route] of [
    ['release', release],
    ['refuse', refuse],
  ] as const) {
    app.openapi(route, async (c) => {
      const dryRun = c.req.valid('query')['dry-run'] === 'true';
      const [body, headers] = await take(c, verb, { dryRun, ...c.req.valid('json') });
      return c.json(body, 200, headers);
    });
  }
}
