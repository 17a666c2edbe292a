import { z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { ProblemError, problem } from '../problems.ts';
import type { AdminEnv } from './context.ts';
import { invalidField } from './schemas.ts';

/** A client id with its secret, given or by reference; for instances' API clients and tenants' own applications. */

export const clientWithSecret = z
  .object({
    clientId: z.string().min(1).max(200),
    clientSecret: z.string().min(1).max(1_000).optional(),
    secretRef: z
      .string()
      .regex(/^(env:[A-Za-z_][A-Za-z0-9_]*|file:\/.+)$/, 'must be env:NAME or file:/path')
      .optional(),
  })
  .strict()
  .refine((value) => (value.clientSecret === undefined) !== (value.secretRef === undefined), {
    message: 'give either clientSecret or secretRef',
    path: ['clientSecret'],
  });

/** The gateway's own variables hold its own secrets, which must not be sent elsewhere. */
const ownVariable = /^env:(DATABASE_URL|ESPALIER_(?!INSTANCE_)|OTEL_|PG|NODE_)/i;

/**
 * A reference reads from this machine and sends what it finds elsewhere: only who runs the gateway for everybody may
 * write one, and never to the gateway's own variables. `field` names the client in the request.
 */
export function checkReference(
  c: Context<AdminEnv>,
  field: string,
  client: z.infer<typeof clientWithSecret> | undefined,
): void {
  if (client?.secretRef === undefined) return;
  if (c.get('operator').tenantIds !== undefined) {
    throw new ProblemError(
      problem(
        'forbidden',
        'A tenant-bound key cannot refer to secrets of the gateway\u2019s machine; give clientSecret.',
      ),
    );
  }
  if (ownVariable.test(client.secretRef)) {
    throw invalidField(
      `${field}.secretRef`,
      "names one of the gateway's own variables; use one that begins with ESPALIER_INSTANCE_",
    );
  }
}
