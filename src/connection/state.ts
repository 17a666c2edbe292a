import type { Queries } from '../store/database.ts';
import type { Note } from '../store/history.ts';
import type { ConnectionState } from '../store/row-types.ts';
import { makeSubscriptionsDue } from '../store/subscriptions.ts';
import { type Moving, moveConnection } from '../store/tenants/connection.ts';

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

/** Names of the events in the history. */
const actions: Readonly<Record<ConnectionEvent, string>> = {
  'connect-started': 'connection.connect',
  'consent-completed': 'connection.consent',
  provisioned: 'connection.confirm',
  disabled: 'connection.disable',
  'last-instance-gone': 'connection.last-instance-gone',
  'disconnect-started': 'connection.disconnect',
  disconnected: 'connection.disconnected',
  'terminated-by-intune': 'connection.terminated',
};

/** More of what the history shall say than the states. */
export interface ChangeDetails {
  readonly action?: string;
  readonly after?: Readonly<Record<string, unknown>>;
}

/**
 * Moves a tenant by an event. Returns the state before and after, or undefined when the event did not fit. No other
 * place sets the state, so every move is noted.
 */
export async function moveTenant(
  sql: Queries,
  tenantId: string,
  event: ConnectionEvent,
  note: Note,
  details: ChangeDetails = {},
): Promise<Moving | undefined> {
  const moved = await moveConnection(sql, tenantId, (state) => nextState(state, event));
  if (!moved) return undefined;
  const { after, before, displayName } = moved;
  // Made, tried again or removed, as the new state wants it.
  await makeSubscriptionsDue(sql, tenantId);
  note({
    tenantId,
    action: details.action ?? actions[event],
    object: { kind: 'connection', id: tenantId, name: displayName },
    before: { connectionState: before },
    after: { connectionState: after, ...details.after },
  });
  return { before, after };
}
