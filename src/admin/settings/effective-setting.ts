import { z } from '@hono/zod-openapi';

/** A setting as operators may see it: no secret is in here. */

export const effectiveSetting = z
  .object({
    name: z.string().openapi({ description: 'The environment variable.' }),
    group: z.string().openapi({ description: 'The heading under which docs/settings.md has it.' }),
    value: z.string().openapi({
      description: 'What is in force: the value, masked where it is secret, or the default in words.',
    }),
    set: z
      .boolean()
      .openapi({ description: 'false: the variable is absent or empty, and the default holds.' }),
    secret: z.boolean(),
    default: z.string(),
    meaning: z.string(),
  })
  .openapi('EffectiveSetting');
export type EffectiveSetting = z.infer<typeof effectiveSetting>;
