import { createRoute, z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { ProblemError, problem } from '../../problems.ts';
import type { Move, MoveKey } from '../../routing/moves/move.ts';
import { advanceMove, type Operated, pauseMove, rollBackMove } from '../../routing/moves/operate.ts';
import { requireRole, tenantOf } from '../access.ts';
import type { AdminApp, AdminEnv, AdminServices } from '../context.ts';
import { checkIfMatch, commonProblems, etag, invalidField, jsonAnswer, problemAnswer } from '../schemas.ts';
import { answerMove, movePath, moveWithDifferences, unknownMove } from './move-answer.ts';
import { moveNote } from './move-note.ts';
import { moveOf } from './moves.ts';
import { scopeOf } from './scope.ts';

/** `/moves/{moveId}/advance`, `/pause`, `/rollback`. */

const reason = z
  .string()
  .min(1)
  .max(500)
  .optional()
  .openapi({ description: "For the routes' history; the one of the move if unsaid." });

const onlyReason = z.object({ reason }).strict().openapi('MoveReason');

const advanceBody = z
  .object({
    percent: z
      .number()
      .int()
      .min(1)
      .max(100)
      .optional()
      .openapi({ description: 'To this percent at once; the next step if unsaid.' }),
    force: z.boolean().default(false).openapi({
      description: 'Although the instances were compared too little, or differ beyond the threshold.',
    }),
    reason,
  })
  .strict()
  .openapi('AdvanceMove');

const operation = <Body extends z.ZodType>(verb: string, summary: string, body: Body) =>
  createRoute({
    method: 'post',
    path: `/api/v1/tenants/{tenantId}/moves/{moveId}/${verb}`,
    operationId: `${verb}Move`,
    tags: ['Moves'],
    summary,
    request: { params: movePath, body: { content: { 'application/json': { schema: body } } } },
    responses: {
      200: jsonAnswer(
        moveWithDifferences,
        'Done, or under way: `pending` devices are still to follow, by themselves',
      ),
      ...commonProblems,
      409: problemAnswer('conflict'),
      412: problemAnswer('precondition-failed'),
    },
  });

const advance = operation(
  'advance',
  'The next step: shadow, cut over so many percent, or go on after a pause',
  advanceBody,
);
const pause = operation('pause', 'Leave everything where it is; advance goes on', onlyReason);
const rollback = operation(
  'rollback',
  'Take back every device that is still where the move put it',
  onlyReason,
);

/** The move, or why not as a problem. Throws `ProblemError`. */
function moveOrProblem(operated: Operated): Move {
  if (operated.ok) return operated.move;
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

export function addMoveOperations(app: AdminApp, { continueMove, sql }: AdminServices): void {
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
  const end = async (key: MoveKey, operated: Operated) => {
    moveOrProblem(operated);
    await continueMove(key);
    const { body, move } = await answerMove(sql, key);
    return [body, { etag: etag(move.version) }] as const;
  };

  app.openapi(advance, async (c) => {
    const { author, expects, key, note } = await begin(c);
    const { force = false, percent, reason = c.get('reason') } = c.req.valid('json');
    const options = { expects, note: note('advance'), scopeOf };
    const operated = await advanceMove(sql, key, { force, percent, author, reason }, options);
    const [body, headers] = await end(key, operated);
    return c.json(body, 200, headers);
  });
  app.openapi(pause, async (c) => {
    const { author, expects, key, note } = await begin(c);
    const { reason = c.get('reason') } = c.req.valid('json');
    const operated = await pauseMove(sql, key, { author, reason }, expects, note('pause'));
    const [body, headers] = await end(key, operated);
    return c.json(body, 200, headers);
  });
  app.openapi(rollback, async (c) => {
    const { author, expects, key, note } = await begin(c);
    const { reason = c.get('reason') } = c.req.valid('json');
    const operated = await rollBackMove(sql, key, { author, reason }, expects, note('rollback'));
    const [body, headers] = await end(key, operated);
    return c.json(body, 200, headers);
  });
}
