import { routeEvent } from '../delivery/computers/take-in.ts';
import type { After } from '../joining.ts';
import type { MoveWork } from '../routing/moves/work.ts';
import type { Sql } from '../store/database.ts';
import type { TenantScope } from '../store/tenant-scope.ts';
import { addTimelines } from '../store/timeline.ts';
import type { Log } from '../telemetry/log.ts';

/** The work on moves, with the devices' timelines told of it. `relaxed`: their commits need not be durable. */
export const createMoveWork = (parts: {
  sql: Sql;
  relaxed: Sql;
  log: Log;
  routesChanged: () => void;
  after: After;
  scope?: TenantScope;
}): MoveWork => ({
  sql: parts.sql,
  scope: parts.scope,
  onRouted: (tenantId, outcomes) => {
    parts.routesChanged();
    const events = outcomes.flatMap((outcome) => (outcome.changed ? [routeEvent(tenantId, outcome)] : []));
    parts.after(
      addTimelines(parts.relaxed, events).catch((error: unknown) =>
        parts.log.warn('timeline.not-written', { error }),
      ),
    );
  },
});
