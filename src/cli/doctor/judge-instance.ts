/** Judges the API of an instance. */

import { remedyFor } from '../../jamf/connection-test.ts';
import type { JamfFailure, JamfResult } from '../../jamf/failure.ts';
import { type ApiPrivileges, type NeededPrivilege, neededPrivileges } from '../../jamf/privileges.ts';
import type { Mode } from '../../store/row-types.ts';
import { about, type Line } from './line.ts';

/** Use of the instance by the tenant: that decides which of its features it needs. */
export interface InstanceUse {
  readonly mode: Mode;
  readonly source: 'jamf' | 'smart-group';
}

const needsVerdict = ({ mode, source }: InstanceUse): boolean =>
  mode === 'device-compliance' && source === 'jamf';

type FailureOf = 'inventory' | 'compliance' | 'token' | 'version';
const checkOf = {
  token: 'instance.token',
  version: 'instance.version',
  inventory: 'instance.inventory',
  compliance: 'instance.compliance',
} as const;

function failed(step: FailureOf, subject: string, failure: JamfFailure): Line {
  const say = about(checkOf[step], subject);
  const found = `${failure.failure}: ${failure.detail}`;
  const remedy = remedyFor(step, failure.failure);
  // It sheds load now: that passes.
  return failure.failure === 'overloaded'
    ? say.warn(found, remedy, 'instance')
    : say.fail(found, remedy, 'instance');
}

/** `reference`: `env:…` or `file:…`, undefined when the secret is sealed; `fault`: why it cannot be had. */
export function judgeSecret(subject: string, reference: string | undefined, fault: string | undefined): Line {
  const say = about('instance.secret', subject);
  if (fault === undefined)
    return say.ok(reference === undefined ? 'sealed, opens' : `${reference} can be read`);
  return reference === undefined
    ? say.fail(
        fault,
        'Put the key that sealed it back into ESPALIER_SECRETS_KEY, or give the secret again.',
        'configuration',
      )
    : say.fail(
        fault,
        `Set ${reference.replace(/^(env|file):/, '')}, as this user and with the gateway's environment.`,
        'configuration',
      );
}

export const judgeInstanceToken = (subject: string, result: JamfResult<object>): Line =>
  result.ok ? about('instance.token', subject).ok('given') : failed('token', subject, result);

interface Version {
  readonly major: number;
  readonly minor: number;
}

function parseVersion(text: string): Version | undefined {
  const match = /^(\d{1,4})\.(\d{1,4})(?:\D|$)/.exec(text);
  return match ? { major: Number(match[1]), minor: Number(match[2]) } : undefined;
}

const older = (version: Version, major: number, minor: number): boolean =>
  version.major < major || (version.major === major && version.minor < minor);

/** Versions: mission M20, domain/jamf.md 1.1 and 2.1. */
export function judgeVersion(
  subject: string,
  result: JamfResult<{ readonly version: string }>,
  use: InstanceUse,
): Line {
  if (!result.ok) return failed('version', subject, result);
  const say = about('instance.version', subject);
  const found = `Jamf Pro ${result.version}`;
  const version = parseVersion(result.version);
  if (!version)
    return say.warn(
      `${found} is no version that is known`,
      'Check that the URL leads to Jamf Pro.',
      'instance',
    );
  const upgrade = 'Upgrade Jamf Pro.';
  if (older(version, 10, 18))
    return say.fail(`${found}: the connector needs 10.18 or newer`, upgrade, 'instance');
  if (older(version, 10, 36) && needsVerdict(use))
    return say.fail(`${found}: device compliance can be read from 10.36 on`, upgrade, 'instance');
  if (older(version, 10, 49))
    return say.warn(`${found}: API roles and clients came with 10.49`, upgrade, 'instance');
  return say.ok(found);
}

interface JudgedPrivilege extends NeededPrivilege {
  readonly needed: (use: InstanceUse) => boolean;
}

const privileges: readonly JudgedPrivilege[] = [
  { ...neededPrivileges.inventory, needed: () => true },
  { ...neededPrivileges.verdict, needed: needsVerdict },
  { ...neededPrivileges.recalculation, needed: () => false },
];

export function judgePrivileges(subject: string, result: JamfResult<ApiPrivileges>, use: InstanceUse): Line {
  const say = about('instance.privileges', subject);
  const has = result.ok ? result.privileges : undefined;
  if (has === undefined) {
    return say.ok('the instance does not tell them: the calls below show whether they suffice');
  }
  const lacks = privileges.filter(({ name }) => !has.includes(name));
  const needed = lacks.filter((privilege) => privilege.needed(use));
  const say_ = (list: readonly NeededPrivilege[]): string =>
    list.map((one) => `${one.name} (${one.for})`).join(', ');
  const remedy = `Give the role of the API client ${lacks.map(({ name }) => `"${name}"`).join(' and ')} in Jamf Pro under Settings, System, API roles and clients; it counts for tokens made afterwards.`;
  if (needed.length > 0) return say.fail(`missing: ${say_(lacks)}`, remedy, 'instance');
  if (lacks.length > 0)
    return say.warn(`missing, needed only for some calls: ${say_(lacks)}`, remedy, 'instance');
  return say.ok(`all ${privileges.length} of them`);
}

/** `version`: of the inventory's paths, once they were found. */
export const judgeInventory = (
  subject: string,
  result: JamfResult<{ readonly page: { readonly totalCount: number } }>,
  version: number | undefined,
): Line =>
  result.ok
    ? about('instance.inventory', subject).ok(`v${version ?? 'unknown'}, ${result.page.totalCount} computers`)
    : failed('inventory', subject, result);

/** Without any computer the answer is `not-found`, which proves the privilege all the same. */
export function judgeCompliance(
  subject: string,
  result: JamfResult<{ readonly records: readonly object[] }>,
  use: InstanceUse,
): Line {
  const say = about('instance.compliance', subject);
  if (!result.ok && result.failure !== 'not-found') {
    const line = failed('compliance', subject, result);
    return needsVerdict(use) || line.status !== 'fail' ? line : { ...line, status: 'warn' };
  }
  if (!result.ok) return say.ok('can be read; there is no computer to ask for');
  if (result.records.length > 0) return say.ok('can be read');
  const found = 'Jamf Pro names no compliance vendor for its first computer';
  const remedy =
    'In Jamf Pro, under Settings, Global, Device compliance, turn the connection to Microsoft on for macOS.';
  return needsVerdict(use) ? say.warn(found, remedy, 'instance') : say.ok(`can be read: ${found}`);
}
