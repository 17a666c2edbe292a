import type { Directory } from './directory.ts';
import type { MicrosoftCloud } from './microsoft/cloud.ts';
import { derivedGuid, grantApplication } from './microsoft/grants.ts';
import { assignmentsOf } from './microsoft/user-assignments.ts';

/** The gateway's operators: a tenant of their own, the application that they sign in to, and some people. */
export interface WorldOperators {
  readonly tenantId: string;
  readonly cloud: string;
  readonly clientId: string;
  readonly clientSecret: string;
  /** The first may do most, the last is not assigned to the application. */
  readonly people: readonly WorldOperator[];
}

export interface WorldOperator {
  readonly userId: string;
  readonly userPrincipalName: string;
  /** The value of the app role; undefined: not assigned. */
  readonly appRole: string | undefined;
}

const appRoles = ['Espalier.Admin', 'Espalier.Operator', 'Espalier.Viewer'];

const people = [
  { account: 'ada', displayName: 'Ada Admin', appRole: 'Espalier.Admin' },
  { account: 'otto', displayName: 'Otto Operator', appRole: 'Espalier.Operator' },
  { account: 'vera', displayName: 'Vera Viewer', appRole: 'Espalier.Viewer' },
  { account: 'nora', displayName: 'Nora Nobody', appRole: undefined },
] as const;

export interface OperatorsOptions {
  readonly seed: number;
  /** Base URL of the gateway's admin listener, without a trailing slash. */
  readonly adminUrl: string;
}

/**
 * Registers them in the cloud. Ids follow from the seed by their names, not by drawing: the fleet of a seed must not
 * depend on them.
 */
export function addOperators(
  cloud: MicrosoftCloud,
  directory: Directory,
  { adminUrl, seed }: OperatorsOptions,
): WorldOperators {
  const id = (name: string): string => derivedGuid(`operators ${seed} ${cloud.name} ${name}`);
  const tenantId = id('tenant');
  const clientId = id('application');
  const clientSecret = `${id('secret one')}${id('secret two')}`.replaceAll('-', '');
  const tenant = directory.addTenant({
    tenantId,
    cloud: cloud.name,
    displayName: 'Operators',
    hasIntune: false,
  });
  const application = cloud.applications.register({
    appId: clientId,
    displayName: 'Espalier operators',
    redirectUris: [`${adminUrl}/sign-in/callback`],
    secrets: [{ value: clientSecret }],
    accessTokenAcceptedVersion: 2,
    appRoles: appRoles.map((value) => ({ roleId: id(value), value })),
  });
  const principal = grantApplication(tenant, {
    application,
    effectiveAt: cloud.context.world.clock.now(),
    withRoles: false,
    newObjectId: () => id('service principal'),
  });
  const assignments = assignmentsOf(principal);
  assignments.required = true;
  const added = people.map(({ account, appRole, displayName }) => {
    const user = {
      userId: id(account),
      userPrincipalName: `${account}@operators.simulated.test`,
      displayName,
    };
    directory.addUser(tenantId, user);
    if (appRole !== undefined) assignments.byUser.set(user.userId, [appRole]);
    return { userId: user.userId, userPrincipalName: user.userPrincipalName, appRole };
  });
  return { tenantId, cloud: cloud.name, clientId, clientSecret, people: added };
}
