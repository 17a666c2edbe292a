import { z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { ProblemError, problem } from '../problems.ts';
import { referencePattern, SecretUnreadable } from '../secrets/reference.ts';
import type { AdminEnv, AdminServices } from './context.ts';
import { created, invalidField } from './schemas.ts';

/** A client id with its secret, given or by reference; for instances' API clients and tenants' own applications. */

export const clientWithSecret = z
  .object({
    clientId: z.string().min(1).max(200),
    clientSecret: z.string().min(1).max(1_000).optional(),
    secretRef: z.string().max(1_000).regex(referencePattern, 'must be env:NAME or file:/path').optional(),
  })
  .strict()
  .refine((value) => (value.clientSecret === undefined) !== (value.secretRef === undefined), {
    message: 'give either clientSecret or secretRef',
    path: ['clientSecret'],
  });

/** Warnings in an answer: a reference is allowed and gives no secret yet. */
export const referenceWarnings = z
  .array(z.object({ field: z.string(), description: z.string() }))
  .optional()
  .openapi({ description: 'what was accepted although it does not work yet' });

export const createdWithReference = created
  .extend({ warnings: referenceWarnings })
  .openapi('CreatedWithReference');

export type ReferenceWarnings = z.infer<typeof referenceWarnings>;

/**
 * A reference reads from this machine and sends what it finds elsewhere: only who runs the gateway for everybody may
 * write one, never to the gateway's own variables, and to files only below ESPALIER_SECRETS_DIR. `field` names the client
 * in the request. Answers the warning for one that cannot be read now: it may be mounted later.
 */
export async function checkReference(
  c: Context<AdminEnv>,
  readReference: AdminServices['readReference'],
  field: string,
  client: z.infer<typeof clientWithSecret> | undefined,
): Promise<{ warnings?: ReferenceWarnings }> {
  if (client?.secretRef === undefined) return {};
  if (c.get('operator').tenantIds !== undefined) {
    throw new ProblemError(
      problem(
        'forbidden',
        'A tenant-bound key cannot refer to secrets of the gateway\u2019s machine; give clientSecret.',
      ),
    );
  }
  try {
    await readReference(client.secretRef);
    return {};
  } catch (error) {
    if (!(error instanceof SecretUnreadable)) throw error;
    if (error.refused) throw invalidField(`${field}.secretRef`, error.message);
    return { warnings: [{ field: `${field}.secretRef`, description: error.message }] };
  }
}
