import { z } from '@hono/zod-openapi';
import { type Attention, attentionKinds } from '../../alerts/attention.ts';
import { instantOrNull } from '../schemas.ts';

/** What needs a person, as the API shows it. */

export const attention = z
  .object({
    kind: z.enum(attentionKinds),
    tenantId: z.string().nullable().openapi({ description: 'null: it is about the gateway itself' }),
    tenantName: z.string().nullable(),
    instanceId: z.string().nullable(),
    instanceName: z.string().nullable(),
    cause: z.string().openapi({ description: 'Identifier of the cause, as the status of the tenant has it' }),
    detail: z.string(),
    remedy: z.string(),
    owner: z.string().openapi({
      description: 'Who has to act: caller, configuration, instance, microsoft or espalier',
    }),
    since: instantOrNull,
    count: z.number().int(),
    countIsLeast: z.boolean().openapi({ description: 'There may be more: counting ended at this number' }),
    action: z.object({
      label: z.string(),
      href: z.string().openapi({ description: 'The page of the console on this listener' }),
    }),
  })
  .openapi('Attention') satisfies z.ZodType<Attention>;
