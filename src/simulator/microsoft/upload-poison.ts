import type { Context } from 'hono';
import type { HostEnv } from '../host.ts';
import { odataError } from './intune-request.ts';
import type { IntuneSettings } from './settings.ts';

/** Form of refusing a message that carries a poisonous device. */
export type PoisonRefusal = IntuneSettings['poison'][number]['refusal'];

/** The first poisonous device of a message; the others in it are the reason why it must be found. */
export function findPoison(
  entities: readonly Record<string, unknown>[],
  { poison }: IntuneSettings,
): PoisonRefusal | undefined {
  if (poison.length === 0) return undefined;
  const refusals = new Map(poison.map(({ deviceId, refusal }) => [deviceId.toLowerCase(), refusal]));
  for (const entity of entities) {
    const refusal = refusals.get(String(entity.DeviceId).toLowerCase());
    if (refusal !== undefined) return refusal;
  }
  return undefined;
}

/** Says nothing of which device it is: a partner has to find out for itself. */
export function answerPoison(
  c: Context<HostEnv>,
  refusal: PoisonRefusal,
  { messageId, tenantId }: { readonly messageId: string; readonly tenantId: string },
): Response {
  const detail = 'The message could not be processed.';
  switch (refusal) {
    case 'http-400':
      return odataError(c, 400, 'BadRequest', detail);
    case 'http-500':
      return odataError(c, 500, 'InternalServerError', detail);
    case 'in-body':
      return c.json({ TenantId: tenantId, ErrorCode: 400, ErrorDetail: detail, MessageId: messageId });
  }
}
