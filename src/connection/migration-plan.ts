import type { ConnectionType, Mode } from '../store/row-types.ts';
import type { ShownApplication } from '../store/tenants/application.ts';
import type { Tenant } from '../store/tenants/tenant.ts';
import { provisionedStates } from './state.ts';

/**
 * Lists the steps that a change of a tenant's mode or connection type takes, as a checklist (mission M10, M11, M22).
 * Pure.
 */

export interface MigrationTarget {
  readonly mode: Mode;
  readonly connectionType: ConnectionType;
}

export interface MigrationStep {
  readonly name: string;
  /** `operator`: what Espalier cannot do; such a step is `done` only where it can be seen from here. */
  readonly who: 'espalier' | 'operator';
  readonly done: boolean;
  readonly detail: string;
}

export interface MigrationPlan {
  readonly from: MigrationTarget;
  readonly to: MigrationTarget;
  readonly dryRun: boolean;
  readonly steps: readonly MigrationStep[];
  /** Period since the connection ended; registered devices go on when the next one begins before its end. */
  readonly window?: { readonly startsAt: Date; readonly endsAt: Date; readonly hoursLeft: number };
  readonly dates: {
    readonly terminatedAt: Date | null;
    readonly deprovisionedAt: Date | null;
    readonly devicesMarkedAt: Date | null;
    readonly devicesRemovedAt: Date | null;
    /** ISO dates of the end of Conditional Access; null in a migration that does not touch it. */
    readonly conditionalAccessEndedOn: string | null;
    readonly conditionalAccessExtendedTo: string | null;
  };
  /** Devices that are kept with their routes and reports. */
  readonly devices: number;
  readonly warnings: readonly string[];
}

/** Facts that the plan is made of. */
export interface MigrationFacts {
  readonly tenant: Tenant;
  readonly application: ShownApplication | undefined;
  readonly enabledInstances: number;
  readonly devices: number;
  /** Intune holds the tenant for connected although not to us. */
  readonly foreign: boolean;
  /** Milliseconds since 1970. */
  readonly nowMs: number;
}

/** Mission M22; Microsoft moved the date once (domain/jamf.md 7.1, memdocs of pain 25). */
const conditionalAccessEndedOn = '2024-09-01';
const conditionalAccessExtendedTo = '2025-01-31';
const hourMs = 3_600_000;
/** domain/microsoft.md 4.6: later than this after a termination, registered devices stop reporting. */
const windowHours = 24;

/** Warnings about a tenant that stand wherever its mode is shown (mission M22). */
export const modeWarnings = (mode: Mode): string[] =>
  mode === 'conditional-access'
    ? [
        `The Conditional Access integration ended on ${conditionalAccessEndedOn} (Microsoft later named ` +
          `${conditionalAccessExtendedTo}); migrate the tenant to its successor, ` +
          'the mode device-compliance.',
      ]
    : [];

const isProvisioned = ({ connectionState }: Tenant): boolean => provisionedStates.includes(connectionState);

/** The 24 hours since the connection ended; undefined while it has not. */
export function migrationWindow(tenant: Tenant, nowMs: number): MigrationPlan['window'] {
  if (isProvisioned(tenant) || tenant.deprovisionWanted) return undefined;
  const endMs = Math.max(tenant.terminatedAt?.getTime() ?? 0, tenant.deprovisionedAt?.getTime() ?? 0);
  if (endMs === 0) return undefined;
  const endsAtMs = endMs + windowHours * hourMs;
  const hoursLeft = Math.max(0, Math.round(((endsAtMs - nowMs) / hourMs) * 10) / 10);
  return { startsAt: new Date(endMs), endsAt: new Date(endsAtMs), hoursLeft };
}

const operator = (name: string, done: boolean, detail: string): MigrationStep => ({
  name,
  who: 'operator',
  done,
  detail,
});
const espalier = (name: string, done: boolean, detail: string): MigrationStep => ({
  name,
  who: 'espalier',
  done,
  detail,
});

const deprovisionStep = (tenant: Tenant): MigrationStep =>
  espalier(
    'deprovision',
    !isProvisioned(tenant) && !tenant.deprovisionWanted,
    'Intune is told that the present connection ends. If Jamf Pro itself still holds one, clear Enable there.',
  );

/** M10 in its order. */
const stepsToConnector = ({ tenant }: MigrationFacts, changed: boolean): MigrationStep[] => [
  deprovisionStep(tenant),
  operator(
    'clear-application-id',
    false,
    'In Intune, Tenant administration, Connectors and tokens, Partner device management: empty the application id ' +
      'and save. This cannot be seen from here.',
  ),
  operator(
    'delete-enterprise-applications',
    false,
    'In Entra, Enterprise applications: delete both applications of the manual connection. This cannot be seen from here.',
  ),
  operator(
    'terminated',
    !isProvisioned(tenant) && migrationWindow(tenant, 0) !== undefined,
    "Intune shows the partner's state Terminated.",
  ),
  espalier(
    'change-type',
    changed,
    'The connection type becomes cloud-connector; the manual application is not used.',
  ),
  operator(
    'connect',
    changed && tenant.connectionState === 'connected',
    `Connect the tenant, give both consents and confirm it within ${windowHours} hours of the termination. Registered ` +
      'Macs do not register again. If another application took the tenant, the confirmation says so.',
  ),
];

const stepsToManual = (facts: MigrationFacts, changed: boolean): MigrationStep[] => [
  operator(
    'application',
    facts.application !== undefined,
    'Register an application with update_device_attributes and Directory.Read.All in the tenant, grant both there, ' +
      'and give the tenant here its client id and secret.',
  ),
  operator(
    'one-instance',
    facts.enabledInstances <= 1,
    'A manual connection has one Jamf Pro instance: remove or disable the others.',
  ),
  deprovisionStep(facts.tenant),
  espalier('change-type', changed, 'The connection type becomes manual.'),
  operator(
    'set-application-id',
    false,
    'In Intune, Partner device management: enter the client id of the application and save. This cannot be seen from here.',
  ),
  operator(
    'confirm',
    changed && facts.tenant.connectionState === 'connected',
    'Confirm the tenant, or enable it if it is disabled; no consent is asked for. Registered Macs do not register again.',
  ),
];

/** domain/jamf.md 4.9 and domain/microsoft.md 7. */
const stepsToCompliance = (changed: boolean): MigrationStep[] => [
  operator(
    'smart-groups',
    false,
    'In every Jamf Pro instance set up Device Compliance with an applicable and a compliance smart group.',
  ),
  operator(
    'partner-compliance',
    false,
    'In Intune, Partner compliance management: add Jamf Device Compliance for macOS and assign user groups, never ' +
      'all users; or set the partner group of the tenant, and confirming assigns it.',
  ),
  operator(
    'consent',
    false,
    'The application needs manage_partner_compliance_policy too: connect the tenant and consent again, for a manual ' +
      'connection grant it in Entra.',
  ),
  espalier('change-mode', changed, 'The mode becomes device-compliance: Jamf Pro makes the verdict.'),
  espalier('read-computers', changed, 'Every computer is read again, and its verdict is told.'),
  operator(
    'confirm',
    false,
    'Confirm the tenant, which makes the partner compliance policy and its assignment.',
  ),
  operator(
    'macs',
    false,
    'On every Mac run jamf manage, and gatherAADInfo once in the session of the user. No new registration in Entra.',
  ),
];

const stepsToConditionalAccess = (changed: boolean): MigrationStep[] => [
  operator(
    'partner-device-management',
    false,
    'In Intune, Partner device management: set up the connection, and assign compliance policies to user groups.',
  ),
  espalier(
    'change-mode',
    changed,
    'The mode becomes conditional-access: Intune makes the verdict from inventory.',
  ),
  espalier('read-computers', changed, 'Every computer is read again, and its inventory is told.'),
  operator('confirm', false, 'Confirm the tenant.'),
];

const targetOf = ({ connectionType, mode }: MigrationTarget): MigrationTarget => ({ mode, connectionType });

/** The type has changed before and the new connection has not begun: the checklist goes on. */
const isUnderWay = ({ application, tenant }: MigrationFacts, to: MigrationTarget): boolean =>
  to.connectionType === tenant.connectionType &&
  application !== undefined &&
  !isProvisioned(tenant) &&
  migrationWindow(tenant, 0) !== undefined;

function stepsOf(from: MigrationTarget, to: MigrationTarget, facts: MigrationFacts): MigrationStep[] {
  const { mode, connectionType } = facts.tenant;
  const typeChanged = connectionType === to.connectionType;
  const steps: MigrationStep[] = [];
  if (from.connectionType !== to.connectionType || isUnderWay(facts, to)) {
    steps.push(
      ...(to.connectionType === 'manual'
        ? stepsToManual(facts, typeChanged)
        : stepsToConnector(facts, typeChanged)),
    );
  }
  if (from.mode !== to.mode) {
    const changed = mode === to.mode;
    steps.push(
      ...(to.mode === 'device-compliance' ? stepsToCompliance(changed) : stepsToConditionalAccess(changed)),
    );
  }
  return steps;
}

function warningsOf(
  from: MigrationTarget,
  to: MigrationTarget,
  facts: MigrationFacts,
  window: MigrationPlan['window'],
): string[] {
  const legacy = [from.mode, to.mode].find((mode) => mode === 'conditional-access');
  return [
    ...(legacy === undefined ? [] : modeWarnings(legacy)),
    ...(facts.foreign
      ? [
          'foreign-provisioning: Intune holds the tenant for connected, and not to this gateway. Manual and connector ' +
            'at once break the tenant: end the other connection in Intune first.',
        ]
      : []),
    ...(from.connectionType !== to.connectionType && window === undefined
      ? [`The ${windowHours} hours begin when the present connection ends: have the next one ready before.`]
      : []),
    ...(window?.hoursLeft === 0
      ? [`The ${windowHours} hours are over: registered Macs may have to register again.`]
      : []),
    ...(to.connectionType === 'manual'
      ? ["The secret of a manual connection's application expires: note its date."]
      : []),
  ];
}

/** The plan from `from` to `to`, with what is done by now (`facts.tenant`). */
export function planMigration(
  from: MigrationTarget,
  to: MigrationTarget,
  facts: MigrationFacts,
  dryRun: boolean,
): MigrationPlan {
  const { tenant } = facts;
  const window = migrationWindow(tenant, facts.nowMs);
  const legacy = from.mode === 'conditional-access' || to.mode === 'conditional-access';
  return {
    from: targetOf(from),
    to: targetOf(to),
    dryRun,
    steps: stepsOf(from, to, facts),
    ...(window === undefined ? {} : { window }),
    dates: {
      terminatedAt: tenant.terminatedAt,
      deprovisionedAt: tenant.deprovisionedAt,
      devicesMarkedAt: tenant.devicesMarkedAt,
      devicesRemovedAt: tenant.devicesRemovedAt,
      conditionalAccessEndedOn: legacy ? conditionalAccessEndedOn : null,
      conditionalAccessExtendedTo: legacy ? conditionalAccessExtendedTo : null,
    },
    devices: facts.devices,
    warnings: warningsOf(from, to, facts, window),
  };
}
