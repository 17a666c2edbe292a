import type { Role } from '../../store/row-types.ts';

/**
 * Actions that may wait for a second operator, named as in the history, with the role that it takes to ask and to
 * approve.
 */
export const actionRoles = {
  'connection.disconnect': 'admin',
  'tenant.delete': 'admin',
  'instance.delete': 'admin',
  'move.advance': 'operator',
  'move.rollback': 'operator',
} as const satisfies Readonly<Record<string, Role>>;

export type ApprovedAction = keyof typeof actionRoles;

/** An approval of a later version, whose action is not known here, takes the highest role. */
export const roleOf = (action: string): Role =>
  Object.hasOwn(actionRoles, action) ? actionRoles[action as ApprovedAction] : 'admin';
