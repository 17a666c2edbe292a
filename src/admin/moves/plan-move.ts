import { createRoute, z } from '@hono/zod-openapi';
import { ProblemError, problem } from '../../problems.ts';
import { openMoveFrom, planMove } from '../../routing/moves/operate.ts';
import { countPlan, type MoveScope } from '../../routing/moves/plan.ts';
import type { Sql } from '../../store/database.ts';
import { type Instance, readInstance } from '../../store/instances/instance.ts';
import { requireRole, tenantOf } from '../access.ts';
import type { AdminApp, AdminServices } from '../context.ts';
import { device } from '../devices/device.ts';
import {
  commonProblems,
  created,
  dryRunQuery,
  etag,
  guid,
  invalidField,
  jsonAnswer,
  problemAnswer,
  tenantPath,
} from '../schemas.ts';
import { planSchema } from './move-answer.ts';
import { moveNote } from './move-note.ts';
import { scopeOf } from './scope.ts';

/** `POST /tenants/{tenantId}/moves`: which devices go from one instance to another, and which do not. */

const newMove = z
  .object({
    from: guid,
    to: guid,
    filter: z
      .string()
      .min(1)
      .optional()
      .openapi({
        description: `Of the devices at \`from\`; default: all of them. ${device.filterText}`,
      }),
    percent: z.number().int().min(1).max(100).default(10).openapi({ description: 'Of one step.' }),
    shadow: z.boolean().default(true).openapi({
      description: 'Device calls are first asked of both instances and the answers are compared.',
    }),
    unclaimed: z.boolean().default(false).openapi({
      description:
        'Also devices that the target does not claim but has a computer for, by UDID or else by serial number.',
    }),
    threshold: z.number().min(0).max(1).default(0.01).openapi({
      description: 'Share of the compared answers that may differ before `advance` refuses.',
    }),
    reason: z.string().min(1).max(500).optional(),
  })
  .strict()
  .openapi('NewMove');

const plan = createRoute({
  method: 'post',
  path: '/api/v1/tenants/{tenantId}/moves',
  operationId: 'planMove',
  tags: ['Moves'],
  summary: 'Plan a move of devices between two instances; dry-run=true only says which devices would go',
  request: {
    params: tenantPath,
    body: { required: true, content: { 'application/json': { schema: newMove } } },
    query: dryRunQuery,
  },
  responses: {
    200: jsonAnswer(planSchema, 'What the plan would be'),
    201: jsonAnswer(created, 'Planned; nothing is moved until advance'),
    ...commonProblems,
    409: problemAnswer('conflict'),
  },
});

type Given = z.infer<typeof newMove>;

async function instanceNamed(
  sql: Sql,
  tenantId: string,
  field: 'from' | 'to',
  id: string,
): Promise<Instance> {
  const instance = await readInstance(sql, tenantId, id);
  if (instance) return instance;
  const description = `${field}: the tenant has no such instance`;
  throw new ProblemError(
    problem('instance-unknown', description, { errors: [{ code: 'INSTANCE_UNKNOWN', field, description }] }),
  );
}

const conflict = (field: string, description: string, id?: string): ProblemError =>
  new ProblemError(
    problem('conflict', description, {
      errors: [{ code: 'CONFLICT', field, description, ...(id === undefined ? {} : { id }) }],
    }),
  );

async function checkMove(sql: Sql, tenantId: string, { from, to }: Given): Promise<void> {
  if (from === to) throw invalidField('to', 'must be another instance than from');
  await instanceNamed(sql, tenantId, 'from', from);
  const target = await instanceNamed(sql, tenantId, 'to', to);
  if (!target.enabled) throw conflict('to', 'to: the instance is disabled; its claims rest.');
  const open = await openMoveFrom(sql, tenantId, from);
  if (open !== undefined)
    throw conflict(
      'from',
      `from: the move ${open} leaves this instance already; finish or roll it back.`,
      open,
    );
}

async function dryRun(sql: Sql, scope: MoveScope): Promise<z.infer<typeof planSchema>> {
  const counts = await countPlan(sql, scope);
  const planned = counts.find(({ reason }) => reason === null)?.count ?? 0;
  const skipped = counts.flatMap(({ count, reason }) => (reason === null ? [] : [{ reason, count }]));
  const devices = counts.reduce((sum, { count }) => sum + count, 0);
  return { dryRun: true, devices, planned, skipped };
}

export function addMovePlan(app: AdminApp, { sql }: AdminServices): void {
  app.openapi(plan, async (c) => {
    const { tenantId } = await tenantOf(c, sql);
    const { name: author } = requireRole(c, 'operator');
    const given = c.req.valid('json');
    await checkMove(sql, tenantId, given);
    const { from: fromInstanceId, shadow, threshold, to: toInstanceId, unclaimed } = given;
    const filter = given.filter ?? null;
    const reason = given.reason ?? c.get('reason') ?? 'moved by an operator';
    const scope = scopeOf({ tenantId, fromInstanceId, toInstanceId, unclaimed, filter });
    if (c.req.valid('query')['dry-run'] === 'true') return c.json(await dryRun(sql, scope), 200);
    const stepPercent = given.percent;
    const planned = { filter, stepPercent, shadow, threshold, author, reason, scope };
    const key = await planMove(sql, planned, moveNote(c, 'move.create'));
    if (!key) throw conflict('from', 'from: another move leaves this instance since just now.');
    const href = `/api/v1/tenants/${tenantId}/moves/${key.moveId}`;
    return c.json({ id: key.moveId, href }, 201, { location: href, etag: etag(1) });
  });
}
