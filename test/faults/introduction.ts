import { setTimeout as wait } from 'node:timers/promises';
import postgres from 'postgres';
import { findBehind } from './comparison.ts';
import type { Life } from './life.ts';
import type { Scene, SceneDatabase } from './scene.ts';
import type { Senders } from './senders.ts';

const introductionTimeoutMs = 60_000;
/** At most, until the gateways have taken in what was introduced: else whoever comes next only sees a queue grow. */
const calmMs = 60_000;

export interface Introduced {
  readonly scene: Scene<SceneDatabase>;
  readonly life: Life;
  readonly senders: Senders;
}

/** Every Mac comes in by a push of its instance, and Intune is told of it. */
export async function introduce({ life, scene, senders }: Introduced, signal: AbortSignal): Promise<void> {
  life.introduce();
  const deadline = Date.now() + introductionTimeoutMs;
  while (senders.pending() > 0) {
    if (Date.now() > deadline) throw new Error('the Macs cannot be introduced');
    await wait(100, undefined, { signal });
  }
  const sql = postgres(scene.database.url, { max: 1, onnotice: () => undefined });
  try {
    for (const end = Date.now() + calmMs; Date.now() < end; ) {
      const [row] = await sql<{ due: number }[]>`
        select count(*)::int as due from computers where wanted_revision > done_revision`;
      if (row?.due === 0 && findBehind(scene.world).length === 0) return;
      await wait(500, undefined, { signal });
    }
  } finally {
    await sql.end({ timeout: 2 });
  }
}
