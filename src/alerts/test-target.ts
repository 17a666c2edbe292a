/** A test of a target, asked for by a person: at once, whatever the target failed before, and one that arrives revives it. */

import { newId } from '../ids.ts';
import { type AlertTarget, noteTested } from '../store/alerts/targets.ts';
import type { Sql } from '../store/database.ts';
import { testMessage } from './message.ts';
import { type Posted, type PostServices, postMessage } from './post-message.ts';

export async function testTarget(
  services: PostServices & { readonly sql: Sql; readonly adminUrl: string | undefined },
  target: AlertTarget,
): Promise<Posted> {
  const { adminUrl, sql } = services;
  const posted = await postMessage(
    services,
    target,
    testMessage(newId(), target, { adminUrl, now: new Date() }),
  );
  if (posted.ok) await noteTested(sql, target.targetId);
  return posted;
}
