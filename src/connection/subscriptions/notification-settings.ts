import type { SubscribedResource } from '../../store/row-types.ts';

/**
 * Graph documents both for groups: one group, or all of the tenant, of which the others are ignored. That the first
 * also tells of members is seen, not documented.
 */
export const groupPaths = ['groups/{id}', 'groups'] as const;

/** Settings that public sources leave open, or that an operator may want otherwise. */
export interface NotificationSettings {
  readonly resources: readonly SubscribedResource[];
  readonly lifetimeMinutes: number;
  /** Resource that is subscribed to for the assigned group. */
  readonly groupPath: (typeof groupPaths)[number];
}
