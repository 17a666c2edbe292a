import type { Queries } from '../store/database.ts';
import type { ConnectionState } from '../store/tenants.ts';
import { subscriptionsDue } from './subscriptions/subscription-rows.ts';

/**
 * The life of a tenant's link to Microsoft as one state machine. This table is the only place that says what may
 * follow what; docs/connection.md explains it, and a test drives every row.
 */
export type ConnectionEvent =
  | 'connect-started'
  | 'consent-completed'
  | 'provisioned'
  | 'disabled'
  | 'last-instance-gone'
  | 'disconnect-started'
  | 'disconnected'
  | 'terminated-by-intune';

interface Transition {
  readonly event: ConnectionEvent;
  readonly from: readonly ConnectionState[];
  readonly to: ConnectionState;
}

export const transitions: readonly Transition[] = [
  // A connection that works goes on working while its administrator consents again.
  { event: 'connect-started', from: ['connected'], to: 'connected' },
  {
    event: 'connect-started',
    from: ['new', 'consenting', 'consented', 'disabled', 'disconnected', 'terminated'],
    to: 'consenting',
  },
  { event: 'consent-completed', from: ['connected'], to: 'connected' },
  { event: 'consent-completed', from: ['consenting'], to: 'consented' },
  // A consent may be older than this gateway's memory of it: the token that provisioning takes is the proof.
  {
    event: 'provisioned',
    from: ['new', 'consenting', 'consented', 'connected', 'disabled', 'terminated'],
    to: 'connected',
  },
  { event: 'disabled', from: ['connected', 'consented', 'terminated', 'disabled'], to: 'disabled' },
  { event: 'last-instance-gone', from: ['connected'], to: 'consented' },
  {
    event: 'disconnect-started',
    from: ['consenting', 'consented', 'connected', 'disabled', 'terminated', 'disconnecting'],
    to: 'disconnecting',
  },
  { event: 'disconnected', from: ['disconnecting'], to: 'disconnected' },
  { event: 'terminated-by-intune', from: ['connected'], to: 'terminated' },
];

/** The state after an event, or undefined when the event does not fit the state. */
export const nextState = (state: ConnectionState, event: ConnectionEvent): ConnectionState | undefined =>
  transitions.find((transition) => transition.event === event && transition.from.includes(state))?.to;

/** States in which Intune holds us for provisioned: leaving them for another takes a deprovisioning. */
export const provisionedStates: readonly ConnectionState[] = ['connected', 'disconnecting'];

/**
 * Moves a tenant by an event, compared and set in the database: of two processes that see the same event one moves
 * it. Returns the state before and after, or undefined when the event did not fit.
 */
export async function moveTenant(
  sql: Queries,
  tenantId: string,
  event: ConnectionEvent,
): Promise<{ before: ConnectionState; after: ConnectionState } | undefined> {
  const [row] = await sql<{ state: ConnectionState }[]>`
    select connection_state as state from tenants where tenant_id = ${tenantId} for update`;
  const after = row && nextState(row.state, event);
  if (!row || after === undefined) return undefined;
  await sql`
    update tenants set connection_state = ${after}, updated_at = now(),
      version = version + case when connection_state = ${after} then 0 else 1 end,
      -- What Graph said was said of the state before.
      partner_state = case when connection_state = ${after} then partner_state end
    where tenant_id = ${tenantId}`;
  // Made, tried again or removed, as the new state wants it.
  await subscriptionsDue(sql, tenantId);
  return { before: row.state, after };
}
