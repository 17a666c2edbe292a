import { z } from '@hono/zod-openapi';
import { looksLikeFileKey } from '../../secrets/sealed-file.ts';
import { invalidField } from '../schemas.ts';

/** The key of a moved tenant's file, which its operator makes and no deployment keeps. */
export const keyHeader = z.object({
  // The handler requires it, after it has looked whether the operator sees the tenant at all.
  'x-espalier-file-key': z
    .string()
    .optional()
    .openapi({ description: 'Required: 32 random bytes in base64url' }),
});

/** Throws `ProblemError` for what is no key. */
export function fileKeyOf(given: string | undefined): string {
  if (given !== undefined && looksLikeFileKey(given)) return given;
  throw invalidField('x-espalier-file-key', 'must be 32 bytes in base64url');
}
