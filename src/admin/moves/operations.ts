import { createRoute, z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { ProblemError, problem } from '../../problems.ts';
import {
  advanceMove,
  type Operated,
  pauseMove,
  type Refusal,
  type Run,
  rollBackMove,
} from '../../routing/moves/operate.ts';
import { previewMove } from '../../routing/moves/preview.ts';
import type { Move, MoveKey } from '../../store/moves/move.ts';
import { requireRole, tenantOf } from '../access.ts';
import { createSecondPerson, waitsForApproval } from '../approvals/second-person.ts';
import type { AdminApp, AdminEnv, AdminServices } from '../context.ts';
import {
  checkIfMatch,
  commonProblems,
  dryRunQuery,
  etag,
  invalidField,
  jsonAnswer,
  problemAnswer,
} from '../schemas.ts';
import { answerMove, describeMove, movePath, moveWithDifferences, unknownMove } from './move-answer.ts';
import { moveNote } from './move-note.ts';
import { moveOf } from './moves.ts';
import { scopeOf } from './scope.ts';

/** `/moves/{moveId}/advance`, `/pause`, `/rollback`. */

const reason = z
  .string()
  .min(1)
  .max(500)
  .optional()
  .openapi({ description: "For the routes' history; default: the one of the move." });

const onlyReason = z.object({ reason }).strict().openapi('MoveReason');

const advanceBody = z
  .object({
    percent: z
      .number()
      .int()
      .min(1)
      .max(100)
      .optional()
      .openapi({ description: 'To this percent at once; default: the next step.' }),
    force: z.boolean().default(false).openapi({
      description: 'Although the instances were compared too little, or differ beyond the threshold.',
    }),
    reason,
  })
  .strict()
  .openapi('AdvanceMove');

const operated = moveWithDifferences.extend({ dryRun: z.boolean() }).openapi('OperatedMove');

const operation = <Body extends z.ZodType, More extends object>(
  verb: string,
  summary: string,
  body: Body,
  more: More,
) =>
  createRoute({
    method: 'post',
    path: `/api/v1/tenants/{tenantId}/moves/{moveId}/${verb}`,
    operationId: `${verb}Move`,
    tags: ['Moves'],
    summary,
    request: {
      params: movePath,
      query: dryRunQuery,
      body: { content: { 'application/json': { schema: body } } },
    },
    responses: {
      200: jsonAnswer(
        operated,
        'Done, or under way: `pending` devices are still to follow, by themselves. A dry run: the move as it would be, with the devices that would follow',
      ),
      ...more,
      ...commonProblems,
      409: problemAnswer('conflict'),
      412: problemAnswer('precondition-failed'),
    },
  });

const advance = operation(
  'advance',
  'The next step: shadow, cut over so many percent, or go on after a pause',
  advanceBody,
  waitsForApproval,
);
const pause = operation('pause', 'Leave everything where it is; advance goes on', onlyReason, {});
const rollback = operation(
  'rollback',
  'Take back every device that is still where the move put it',
  onlyReason,
  waitsForApproval,
);

/** Returns the result of an operation, or its refusal as a problem. Throws `ProblemError`. */
function orProblem<T extends { readonly ok: true }>(operated: T | Refusal): T {
  if (operated.ok) return operated;
  switch (operated.refusal) {
    case 'gone':
      throw unknownMove();
    case 'version':
      throw new ProblemError(problem('conflict', 'The move was changed at the same time; read it again.'));
    case 'percent':
      throw invalidField('percent', operated.detail);
    case 'state':
    case 'shadow':
      throw new ProblemError(problem('conflict', operated.detail));
  }
}

type Operate = (run?: Run) => Promise<Operated>;

export function addMoveOperations(app: AdminApp, services: AdminServices): void {
  const { approvals, continueMove, sql } = services;
  const secondPerson = createSecondPerson(services);

  /** The operator and the move that the request names and has seen. */
  const begin = async (c: Context<AdminEnv>) => {
    const { tenantId } = await tenantOf(c, sql);
    const move = await moveOf(sql, tenantId, c.req.param('moveId'));
    const { name: author } = requireRole(c, 'operator');
    checkIfMatch(c.req.header('if-match'), move.version);
    const key: MoveKey = { tenantId, moveId: move.moveId };
    const expects = ({ version }: Move) => version === move.version;
    return { author, key, expects, note: (verb: string) => moveNote(c, `move.${verb}`) };
  };
  const end = async (key: MoveKey, done: Operated) => {
    orProblem(done);
    await continueMove(key);
    const { body, move } = await answerMove(sql, key);
    return [{ ...body, dryRun: false }, { etag: etag(move.version) }] as const;
  };
  /** The move as it would be. Throws `ProblemError` as the operation would. */
  const preview = async (key: MoveKey, operate: Operate) => {
    const { move, numbers } = orProblem(await previewMove(key, operate));
    const { differences } = (await answerMove(sql, key)).body;
    return { ...describeMove(move, numbers), differences, dryRun: true };
  };
  /** The answer of one that has to wait. */
  const second = async (
    c: Context<AdminEnv>,
    { key, verb }: { key: MoveKey; verb: 'advance' | 'rollback' },
    operate: Operate,
  ) => {
    if (!approvals) return undefined;
    const { from, pending: devices, percent, to } = await preview(key, operate);
    const what = verb === 'advance' ? `to ${percent} percent` : 'back';
    const summary = `Take the move ${key.moveId} from the instance ${from} to ${to} ${what}`;
    return secondPerson(c, { tenantId: key.tenantId, action: `move.${verb}`, devices, summary });
  };

  app.openapi(advance, async (c) => {
    const { author, expects, key, note } = await begin(c);
    const { force = false, percent, reason = c.get('reason') } = c.req.valid('json');
    const request = { force, percent, author, reason };
    const operate: Operate = (run) =>
      advanceMove(sql, key, request, { expects, scopeOf, ...(run ? { run } : { note: note('advance') }) });
    if (c.req.valid('query')['dry-run'] === 'true') return c.json(await preview(key, operate), 200);
    const waiting = await second(c, { key, verb: 'advance' }, operate);
    if (waiting) return c.json(waiting, 202, { location: waiting.href });
    const [body, headers] = await end(key, await operate());
    return c.json(body, 200, headers);
  });
  app.openapi(pause, async (c) => {
    const { author, expects, key, note } = await begin(c);
    const { reason = c.get('reason') } = c.req.valid('json');
    const operate: Operate = (run) =>
      pauseMove(sql, key, { author, reason }, { expects, ...(run ? { run } : { note: note('pause') }) });
    if (c.req.valid('query')['dry-run'] === 'true') return c.json(await preview(key, operate), 200);
    const [body, headers] = await end(key, await operate());
    return c.json(body, 200, headers);
  });
  app.openapi(rollback, async (c) => {
    const { author, expects, key, note } = await begin(c);
    const { reason = c.get('reason') } = c.req.valid('json');
    const operate: Operate = (run) =>
      rollBackMove(
        sql,
        key,
        { author, reason },
        { expects, ...(run ? { run } : { note: note('rollback') }) },
      );
    if (c.req.valid('query')['dry-run'] === 'true') return c.json(await preview(key, operate), 200);
    const waiting = await second(c, { key, verb: 'rollback' }, operate);
    if (waiting) return c.json(waiting, 202, { location: waiting.href });
    const [body, headers] = await end(key, await operate());
    return c.json(body, 200, headers);
  });
}
