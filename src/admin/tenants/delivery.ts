import { createRoute, z } from '@hono/zod-openapi';
import { type DeliverySum, delayAt, keptDays, readDeliveryCounts } from '../../store/delivery-counts.ts';
import { tenantOf } from '../access.ts';
import type { AdminApp, AdminServices } from '../context.ts';
import { commonProblems, instant, invalidField, jsonAnswer, tenantPath } from '../schemas.ts';

/** `/tenants/{tenantId}/delivery`: how much was delivered when, and how long it took. */

const stepSeconds = { 'five-minutes': 300, hour: 3_600, day: 86_400 } as const;
type Step = keyof typeof stepSeconds;

/** Default: as many hours as a chart of such steps shows well. */
const usualHours: Readonly<Record<Step, number>> = { 'five-minutes': 24, hour: 7 * 24, day: keptDays * 24 };
const maxSteps = 2_016;

const count = z.number().int();
const seconds = z.number().nullable();

const numbers = z
  .object({
    received: count,
    accepted: count,
    completed: count,
    failed: count,
    /** Time from a state being new to Intune accepting it; null where nothing was accepted. */
    delaySeconds: z.object({ median: seconds, p99: seconds }),
  })
  .openapi('DeliveryNumbers');

const answer = z
  .object({
    tenantId: z.string(),
    step: z.enum(['five-minutes', 'hour', 'day']),
    stepSeconds: z.number().int(),
    total: numbers,
    /** `at`: when the step begins; the last one is not over yet. */
    results: z.array(numbers.extend({ at: instant })),
  })
  .openapi('TenantDelivery');

const delivery = createRoute({
  method: 'get',
  path: '/api/v1/tenants/{tenantId}/delivery',
  operationId: 'getTenantDelivery',
  tags: ['Connection'],
  summary: 'How much was delivered when, and how long it took',
  request: {
    params: tenantPath,
    query: z
      .object({
        step: z
          .enum(['five-minutes', 'hour', 'day'])
          .default('five-minutes')
          .openapi({ description: 'How long one row of the answer is' }),
        hours: z.coerce
          .number()
          .int()
          .min(1)
          .max(keptDays * 24)
          .optional()
          .openapi({
            description: 'How far back. Unless told 24 for five minutes, 168 for hours, 840 for days.',
          }),
      })
      .strict(),
  },
  responses: { 200: jsonAnswer(answer, 'Delivery'), ...commonProblems },
});

const rounded = (value: number | null): number | null =>
  value === null ? null : Number(value.toPrecision(3));

const describe = ({ delays, ...sums }: Omit<DeliverySum, 'at'>): z.infer<typeof numbers> => ({
  ...sums,
  delaySeconds: { median: rounded(delayAt(delays, 0.5)), p99: rounded(delayAt(delays, 0.99)) },
});

function totalOf(rows: readonly DeliverySum[]): Omit<DeliverySum, 'at'> {
  const sum = (of: (row: DeliverySum) => number): number => rows.reduce((total, row) => total + of(row), 0);
  const steps = Math.max(0, ...rows.map(({ delays }) => delays.length));
  return {
    received: sum(({ received }) => received),
    accepted: sum(({ accepted }) => accepted),
    completed: sum(({ completed }) => completed),
    failed: sum(({ failed }) => failed),
    delays: Array.from({ length: steps }, (_, step) => sum(({ delays }) => delays[step] ?? 0)),
  };
}

export function addDelivery(app: AdminApp, { sql }: AdminServices): void {
  app.openapi(delivery, async (c) => {
    const { tenantId } = await tenantOf(c, sql);
    const { hours: asked, step } = c.req.valid('query');
    const hours = asked ?? usualHours[step];
    if ((hours * 3_600) / stepSeconds[step] > maxSteps)
      throw invalidField('hours', `is more than ${maxSteps} steps of ${step}`);
    const windowSeconds = Math.max(hours * 3_600, stepSeconds[step]);
    const rows = await readDeliveryCounts(sql, tenantId, { windowSeconds, stepSeconds: stepSeconds[step] });
    return c.json(
      {
        tenantId,
        step,
        stepSeconds: stepSeconds[step],
        total: describe(totalOf(rows)),
        results: rows.map(({ at, ...sums }) => ({ at: at.toISOString(), ...describe(sums) })),
      },
      200,
    );
  });
}
