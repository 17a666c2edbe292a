import { createRoute, z } from '@hono/zod-openapi';
import { roles } from '../../store/row-types.ts';
import type { AdminApp } from '../context.ts';
import { maskedToken } from '../operators/csrf.ts';
import { commonProblems, instant, jsonAnswer } from '../schemas.ts';

/** `/session`: who the gateway takes the caller for, by whatever credential was shown. */

const sessionSchema = z
  .object({
    name: z.string(),
    kind: z.enum(['bootstrap', 'key', 'user']),
    /** The key's id, or the object id in Entra. */
    id: z.string().nullable(),
    role: z.enum(roles),
    /** null: every tenant. */
    tenants: z.array(z.string()).nullable(),
    /** null: a key or a token was shown. */
    session: z
      .object({
        expiresAt: instant,
        csrfToken: z.string().openapi({
          description:
            'To be sent as x-espalier-csrf with a write; another text in every answer, and each is good',
        }),
      })
      .nullable(),
  })
  .openapi('Session');

const read = createRoute({
  method: 'get',
  path: '/api/v1/session',
  operationId: 'getSession',
  tags: ['About'],
  summary: 'Who you are here, and what you may',
  responses: { 200: jsonAnswer(sessionSchema, 'You'), ...commonProblems },
});

export function addSession(app: AdminApp): void {
  app.openapi(read, async (c) => {
    const { id, kind, name, role, tenantIds } = c.get('operator');
    const session = c.get('session');
    return c.json(
      {
        name,
        kind,
        id: id ?? null,
        role,
        tenants: tenantIds === undefined ? null : [...tenantIds],
        session: session
          ? { expiresAt: session.expiresAt.toISOString(), csrfToken: maskedToken(await session.csrfToken()) }
          : null,
      },
      200,
    );
  });
}
