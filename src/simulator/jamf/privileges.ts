/** Names of privileges as the OpenAPI's `x-required-privileges` spells them (domain/jamf.md 1.3). */
export type Privilege =
  | 'Read Computers'
  | 'Read Device Compliance Information'
  | 'Read Conditional Access'
  | 'Read JSS URL'
  | 'Read LDAP Servers'
  | 'Read Smart Computer Groups'
  | 'Update Smart Computer Groups'
  | 'Read Cloud Services Settings'
  | 'Create Webhooks'
  | 'Read Webhooks'
  | 'Update Webhooks'
  | 'Delete Webhooks';

/** An API role: a named set of privileges, `api-role:<id>` in a token's scope. */
export interface ApiRole {
  readonly id: number;
  readonly displayName: string;
  readonly privileges: readonly Privilege[];
}

/** The privileges that a routing gateway needs and no more (domain/jamf.md 1.3), in two roles so that `scope` can narrow. */
export const gatewayRoles: readonly ApiRole[] = [
  {
    id: 1,
    displayName: 'Gateway devices',
    privileges: [
      'Read Computers',
      'Read Device Compliance Information',
      'Read Conditional Access',
      'Read JSS URL',
      'Read LDAP Servers',
      'Read Smart Computer Groups',
      'Update Smart Computer Groups',
      'Read Cloud Services Settings',
    ],
  },
  {
    id: 2,
    displayName: 'Gateway webhooks',
    privileges: ['Create Webhooks', 'Read Webhooks', 'Update Webhooks', 'Delete Webhooks'],
  },
];
