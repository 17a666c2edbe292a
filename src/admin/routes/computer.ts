import { z } from '@hono/zod-openapi';

/** A computer of an instance, as routes name it. */
export const computerSchema = z
  .object({ instanceId: z.string(), jamfComputerId: z.string() })
  .openapi('RouteComputer');

export const computerOrNull = (
  instanceId: string | null | undefined,
  jamfComputerId: number | null | undefined,
): z.infer<typeof computerSchema> | null =>
  instanceId === null || instanceId === undefined || jamfComputerId === null || jamfComputerId === undefined
    ? null
    : { instanceId, jamfComputerId: String(jamfComputerId) };
