import { createRoute, z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { nextState } from '../../connection/state.ts';
import type { Sql } from '../../store/database.ts';
import { countHeld } from '../../store/reports/due.ts';
import { readConfirmation } from '../../store/tenants/confirmation.ts';
import type { Tenant } from '../../store/tenants/tenant.ts';
import { requireRole, tenantOf } from '../access.ts';
import type { AdminApp, AdminEnv, AdminServices, Confirm } from '../context.ts';
import { nothingChanged, originOf } from '../recording.ts';
import {
  checkIfMatch,
  commonProblems,
  dryRunQuery,
  instantOrNull,
  iso,
  jsonAnswer,
  step,
  tenantPath,
  versionProblem,
} from '../schemas.ts';
import { asksForLines, linesType, problemLine, tellLines } from '../streamed.ts';

/** `confirm` and `enable`: every step of a connection, and where the newest of them stands. */

const tags = ['Connection'];

/** `reports`: held ones that are tried again when the tenant is confirmed; only a dry run tells. */
const confirmation = z.object({
  ok: z.boolean(),
  steps: z.array(step),
  dryRun: z.boolean(),
  reports: z.number().int().optional(),
});

/** By name of the media type, so that the handler may also answer with a stream. */
const answersOf = (name: string): Readonly<Record<string, { readonly schema: z.ZodType }>> => ({
  'application/json': { schema: confirmation.openapi(name) },
  [linesType]: {
    schema: z.string().openapi({
      description:
        'For Accept: application/x-ndjson: a line with `begun`, one with each `step` as it is done, then one with `result` or `problem`. The steps go on when the connection breaks',
    }),
  },
});

const taking = (name: string) => ({
  request: { params: tenantPath, query: dryRunQuery },
  responses: {
    200: {
      description: 'Every step; of a dry run none, Microsoft is not asked',
      content: answersOf(name),
    },
    ...commonProblems,
    ...versionProblem,
  },
});

const confirm = createRoute({
  method: 'post',
  path: '/api/v1/tenants/{tenantId}/confirm',
  operationId: 'confirmTenant',
  tags,
  summary: 'Provision the tenant and test every step; safe to repeat, 200 also when a step fails',
  ...taking('Confirm'),
});

const enable = createRoute({
  method: 'post',
  path: '/api/v1/tenants/{tenantId}/enable',
  operationId: 'enableTenant',
  tags,
  summary: 'Provision the tenant at Intune again and test every step',
  ...taking('Enable'),
});

const read = createRoute({
  method: 'get',
  path: '/api/v1/tenants/{tenantId}/confirmation',
  operationId: 'getConfirmation',
  tags,
  summary: 'Where the newest confirm or enable stands: its steps while it is at work, and afterwards',
  request: { params: tenantPath },
  responses: {
    200: jsonAnswer(
      z
        .object({
          tenantId: z.string(),
          state: z.enum(['none', 'running', 'ended', 'interrupted']),
          action: z.enum(['confirm', 'enable']).nullable(),
          /** null: it has not ended. */
          ok: z.boolean().nullable(),
          startedAt: instantOrNull,
          endedAt: instantOrNull,
          steps: z.array(step),
        })
        .openapi('Confirmation'),
      'The newest one',
    ),
    ...commonProblems,
  },
});

/** Says whether the state allows it and what would be tried again; the steps themselves are taken at Microsoft. */
async function rehearse(
  sql: Sql,
  { connectionState, tenantId }: Tenant,
  what: 'confirm' | 'enable',
): Promise<z.infer<typeof confirmation>> {
  const fits =
    nextState(connectionState, 'provisioned') !== undefined &&
    (what === 'enable' || connectionState !== 'disabled');
  return { ok: fits, steps: [], dryRun: true, reports: await countHeld(sql, tenantId) };
}

async function newest(sql: Sql, tenantId: string) {
  const found = await readConfirmation(sql, tenantId);
  if (found === undefined)
    return {
      ...{ tenantId, state: 'none' as const, action: null, ok: null },
      ...{ startedAt: null, endedAt: null, steps: [] },
    };
  const { enabling, endedAt, startedAt, state, steps } = found;
  return {
    ...{ tenantId, state },
    action: enabling ? ('enable' as const) : ('confirm' as const),
    ok: state === 'ended' ? steps.every(({ ok }) => ok) : null,
    startedAt: iso(startedAt),
    endedAt: iso(endedAt),
    steps: [...steps],
  };
}

export function addConfirmation(app: AdminApp, services: AdminServices): void {
  const { log, sql, tenants } = services;

  const take = async (c: Context<AdminEnv>, what: 'confirm' | 'enable', dryRun: boolean) => {
    const tenant = await tenantOf(c, sql);
    requireRole(c, 'admin');
    checkIfMatch(c.req.header('if-match'), tenant.version);
    if (dryRun) return c.json(await rehearse(sql, tenant, what), 200);
    const by = originOf(c);
    const run = async (observer?: Parameters<Confirm>[2]) => {
      const { ok, steps } = await services[what](tenant, by, observer);
      tenants.forget(tenant.tenantId);
      return { ok, steps: [...steps], dryRun: false };
    };
    if (!asksForLines(c)) return c.json(await run(), 200);
    // The answer begins before anything is changed; what changes is recorded with it.
    nothingChanged(c);
    const requestId = c.get('requestId');
    const lines = tellLines(services.after, (tell) =>
      run({
        onBegun: () => tell({ begun: true }),
        onStep: (done) => tell({ step: done }),
      }).then(
        (result) => ({ result }),
        (error: unknown) => problemLine(error, requestId, log),
      ),
    );
    return c.body(lines, 200, { 'content-type': linesType, 'x-accel-buffering': 'no' });
  };

  app.openapi(confirm, (c) => take(c, 'confirm', c.req.valid('query')['dry-run'] === 'true'));
  app.openapi(enable, (c) => take(c, 'enable', c.req.valid('query')['dry-run'] === 'true'));
  app.openapi(read, async (c) => {
    const { tenantId } = await tenantOf(c, sql);
    return c.json(await newest(sql, tenantId), 200);
  });
}
