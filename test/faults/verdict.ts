import type { World } from '../../src/simulator/world.ts';
import { checkHeartbeats } from './heartbeat-check.ts';
import { checkMessages, triesOf } from './message-check.ts';
import { heartbeatSeconds, type Scene, type SceneDatabase } from './scene.ts';
import { readWitness } from './witness.ts';

/** What Intune was sent, held against what the database saw. */
export interface Verdict {
  readonly complaints: readonly string[];
  /** That came to Intune. */
  readonly heartbeats: number;
  /** Tries of messages whose outcome was not clear. */
  readonly unclear: number;
}

export const nothingJudged: Verdict = { complaints: [], heartbeats: 0, unclear: 0 };

/** From `since` on, milliseconds since the epoch, also those that a fault answered. */
const heartbeatsIn = ({ journal }: World, since: number) =>
  journal
    .list({ service: 'intune', path: 'PartnerTenantHeartbeat' })
    .map(({ arrivedAt, tenant = '' }) => ({ tenantId: tenant, at: Date.parse(arrivedAt) }))
    .filter(({ at }) => at >= since);

/** `since`: when the database began to be watched. */
export async function judge(
  { database, world }: Pick<Scene<SceneDatabase>, 'database' | 'world'>,
  since: number,
): Promise<Verdict> {
  const { stored, turns } = await readWitness(database.url);
  const arrivals = heartbeatsIn(world, since);
  const tries = triesOf(world.journal.list({ service: 'intune', path: 'DataUploadMessages' }));
  const silent = world.tenants.filter((one) => !arrivals.some(({ tenantId }) => tenantId === one.tenantId));
  return {
    complaints: [
      ...checkHeartbeats({ turns, arrivals, periodSeconds: heartbeatSeconds }),
      ...silent.map(({ tenantId }) => `heartbeat ${tenantId}: none came`),
      ...checkMessages(tries, stored, since),
    ],
    heartbeats: arrivals.length,
    unclear: tries.filter(({ outcome }) => outcome === 'unclear').length,
  };
}
