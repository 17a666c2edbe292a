import { z } from '@hono/zod-openapi';
import { instantOrNull } from '../schemas.ts';

/** An entry is one thing of one tenant that needs a person: who has to act, since when, and what ends it. */

/** Kinds in the order of the list: what stops everything comes first, what is only waiting last. */
export const attentionKinds = [
  'tenant-held',
  'tenant-terminated',
  'approval-waiting',
  'instance-unreachable',
  'reports-failed',
  'permission-drift',
  'certificate-not-renewed',
  'credential-expiring',
  'connection-unfinished',
  'paused',
] as const;
export type AttentionKind = (typeof attentionKinds)[number];

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
  .openapi('Attention');
export type Attention = z.infer<typeof attention>;

const rank = new Map<string, number>(attentionKinds.map((kind, index) => [kind, index]));
const sinceMs = ({ since }: Attention): number => (since === null ? 0 : Date.parse(since));

/** Orders entries by kind, then the oldest first. */
export const byUrgency = (a: Attention, b: Attention): number =>
  (rank.get(a.kind) ?? 0) - (rank.get(b.kind) ?? 0) || sinceMs(a) - sinceMs(b);
