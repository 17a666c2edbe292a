/** Judges a tenant's link to Microsoft. */

import type { PermissionsReport } from '../../connection/permissions.ts';
import type { IntuneServices } from '../../graph/discovery.ts';
import type { LicencesResult } from '../../graph/licences.ts';
import type { Owner } from '../../problems.ts';
import type { AccessFailure, Tenant } from '../../store/tenants/tenant.ts';
import { about, type Line } from './line.ts';

const knownOwners: readonly Owner[] = [
  'caller',
  'routing',
  'configuration',
  'instance',
  'microsoft',
  'espalier',
];
/** Failures carry their owner as text; what none of us is named for is Microsoft's. */
const ownerOf = (text: string): Owner => knownOwners.find((owner) => owner === text) ?? 'microsoft';

/** A failure that passes by itself is a warning, one that somebody has to end a failure. */
function judgeAccess(
  check: 'tenant.token' | 'tenant.discovery',
  subject: string,
  failure: AccessFailure,
): Line {
  const say = about(check, subject);
  const found = `${failure.cause}: ${failure.detail}`;
  const owner = ownerOf(failure.owner);
  return failure.kind === 'hold'
    ? say.fail(found, failure.remedy, owner)
    : say.warn(found, failure.remedy, owner);
}

export function judgeConnection(
  subject: string,
  tenant: Pick<Tenant, 'connectionState' | 'hold' | 'lastHeartbeatAt' | 'mode' | 'paused'>,
  heartbeatSeconds: number,
  nowMs: number,
): Line {
  const say = about('tenant.connection', subject);
  const { connectionState, hold, lastHeartbeatAt, mode, paused } = tenant;
  const legacy = mode === 'conditional-access' ? ', legacy mode (ended by Microsoft on 2024-09-01)' : '';
  if (connectionState === 'terminated') {
    return say.fail(
      'ended by Intune',
      'Connect and confirm the tenant again before its devices are removed.',
      'configuration',
    );
  }
  if (connectionState !== 'connected') {
    const remedy =
      connectionState === 'disabled'
        ? 'Enable the tenant, if it is to report.'
        : 'Connect and confirm the tenant, if it is to report.';
    return say.warn(`${connectionState}: nothing is told to Intune${legacy}`, remedy, 'configuration');
  }
  if (hold)
    return say.fail(`delivery is held: ${hold.cause}: ${hold.detail}`, hold.remedy, ownerOf(hold.owner));
  if (paused)
    return say.warn('delivery is paused', 'Resume the tenant when it is to go on.', 'configuration');
  const silentMs = lastHeartbeatAt === null ? undefined : nowMs - lastHeartbeatAt.getTime();
  if (silentMs === undefined || silentMs > heartbeatSeconds * 3_000) {
    const since =
      silentMs === undefined
        ? 'no heartbeat yet'
        : `no heartbeat for ${Math.round(silentMs / 60_000)} minutes`;
    return say.warn(
      `connected, but ${since}`,
      'Look at the log for heartbeat.failed, and that a gateway runs.',
      'espalier',
    );
  }
  if (legacy !== '')
    return say.warn(`connected${legacy}`, 'Migrate the tenant to device-compliance.', 'configuration');
  return say.ok('connected');
}

export function judgeToken(
  subject: string,
  results: readonly ({ readonly ok: true; readonly roles: readonly string[] } | AccessFailure)[],
): Line {
  const failure = results.find((result) => !result.ok);
  if (failure) return judgeAccess('tenant.token', subject, failure);
  const roles = results.flatMap((result) => (result.ok ? result.roles : []));
  return about('tenant.token', subject).ok(`for Graph and Intune, with ${roles.join(', ') || 'no role'}`);
}

export function judgePermissions(subject: string, report: PermissionsReport): Line[] {
  return report.applications.map(({ app, extra, granted, missing, problem }) => {
    const say = about('tenant.permissions', `${subject}, ${app}`);
    if (problem)
      return say.fail(`${problem.cause}: ${problem.detail}`, problem.remedy, ownerOf(problem.owner));
    const both = [
      ...(missing.length > 0 ? [`missing: ${missing.join(', ')}`] : []),
      ...(extra.length > 0 ? [`too many: ${extra.join(', ')}`] : []),
    ].join('; ');
    if (missing.length > 0) {
      return say.fail(
        both,
        'Connect the tenant again, so that an administrator consents to all of them.',
        'configuration',
      );
    }
    if (extra.length > 0) {
      return say.warn(
        both,
        'Changed permissions are not supported: take them away in Entra, under Enterprise applications.',
        'configuration',
      );
    }
    return say.ok(granted.join(', '));
  });
}

export function judgeDiscovery(
  subject: string,
  result: { readonly ok: true; readonly services: IntuneServices } | AccessFailure,
): Line {
  if (!result.ok) return judgeAccess('tenant.discovery', subject, result);
  const { device, tenant } = result.services;
  return about('tenant.discovery', subject).ok(
    [...new Set([new URL(tenant).host, new URL(device).host])].join(', '),
  );
}

/** A permission that Graph does not show is no failure: the connector's permissions are fixed. */
export function judgeLicences(subject: string, result: LicencesResult): Line {
  const say = about('tenant.licences', subject);
  if (!result.ok) {
    return say.warn(
      `cannot be seen (${result.failure})`,
      'Look in the Microsoft 365 admin center for Intune, and for Entra ID P1 or P2, which Conditional Access needs.',
      'microsoft',
    );
  }
  const ending = result.ending.length > 0 ? `; ended or ending: ${result.ending.join(', ')}` : '';
  if (!result.intune)
    return say.fail(
      `no working subscription has Intune${ending}`,
      'Buy or renew Intune for the tenant, and give it to the users.',
      'microsoft',
    );
  if (result.entraPremium === undefined) {
    return say.warn(
      `Intune, but neither Entra ID P1 nor P2${ending}`,
      'Conditional Access needs Entra ID P1; without it compliance is only shown.',
      'microsoft',
    );
  }
  const found = `Intune, Entra ID ${result.entraPremium}${ending}`;
  return ending === '' ? say.ok(found) : say.warn(found, 'Renew the subscriptions.', 'microsoft');
}
