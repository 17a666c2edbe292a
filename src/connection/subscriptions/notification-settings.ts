import type { SubscribedResource } from '../../store/row-types.ts';

/**
 * Graph documents both for groups: one group, or all of the tenant, of which the others are ignored. That the first
 * also tells of members is seen, not documented.
 */
export const groupPaths = ['groups/{id}', 'groups'] as const;

/** What public sources leave open, or what an operator may want otherwise. */
export interface NotificationSettings {
  readonly resources: readonly SubscribedResource[];
  readonly lifetimeMinutes: number;
  /** What is subscribed to for the assigned group. */
  readonly groupPath: (typeof groupPaths)[number];
}
