import { createRoute } from '@hono/zod-openapi';
import { requireUnbound } from '../access.ts';
import type { AdminApp, AdminServices } from '../context.ts';
import { commonProblems, jsonAnswer, type ListColumn, listOf } from '../schemas.ts';
import { effectiveSetting } from './effective-setting.ts';

/**
 * `/settings`: what the process that answers works with. It is about the whole deployment, and names the tenants of its
 * operators: an operator who is bound to tenants does not read it.
 */

const table: readonly ListColumn[] = [
  { field: 'name', whole: true, importance: 1 },
  { field: 'value', importance: 2 },
  { field: 'set', importance: 3 },
  { field: 'group', importance: 4 },
];

const read = createRoute({
  method: 'get',
  path: '/api/v1/settings',
  operationId: 'getSettings',
  tags: ['About'],
  summary: 'The settings in force, secrets masked',
  responses: {
    200: jsonAnswer(listOf(effectiveSetting, 'EffectiveSettings', table), 'Settings'),
    ...commonProblems,
  },
});

export function addSettings(app: AdminApp, { settings }: Pick<AdminServices, 'settings'>): void {
  app.openapi(read, (c) => {
    requireUnbound(c);
    return c.json({ totalCount: settings.length, results: [...settings] }, 200);
  });
}
