/** Says what was read in words, with what ends it and where. Pure. */

import { remedyOf as remedyOfAcme } from '../acme/failure.ts';
import { ownerOf, remedyOf } from '../delivery/causes.ts';
import { attentionReports } from '../limits.ts';
import type { AcmeNameState } from '../store/acme.ts';
import type { Attention, AttentionKind } from './attention.ts';
import type {
  ExpiringKey,
  FailedRow,
  FailingTarget,
  InstanceRow,
  MassChangeRow,
  TenantRow,
  WaitingApproval,
} from './attention-rows.ts';
import type { ExpiringCertificate } from './expiring-certificate.ts';

type Subject = Partial<Pick<Attention, 'tenantId' | 'tenantName' | 'instanceId' | 'instanceName'>>;
type Said = Pick<Attention, 'cause' | 'detail' | 'remedy' | 'owner' | 'action'> & {
  readonly since: Date | string | null;
} & Partial<Pick<Attention, 'count' | 'countIsLeast'>>;

function item(kind: AttentionKind, subject: Subject, { since, ...said }: Said): Attention {
  const { instanceId = null, instanceName = null, tenantId = null, tenantName = null } = subject;
  return {
    kind,
    tenantId,
    tenantName,
    instanceId,
    instanceName,
    count: 1,
    countIsLeast: false,
    ...said,
    since: since instanceof Date ? since.toISOString() : since,
  };
}

const openTenant = (tenantId: string) => ({ label: 'Open the tenant', href: `/tenants/${tenantId}` });
const openInstance = (tenantId: string, instanceId: string) => ({
  label: 'Open the instance',
  href: `/tenants/${tenantId}/instances/${instanceId}`,
});

const unfinished: Readonly<Record<string, readonly [detail: string, remedy: string]>> = {
  new: [
    'Nobody has begun to connect the tenant.',
    'Connect it, and send the consent links to its administrator.',
  ],
  consenting: [
    'The administrator of the tenant has not consented to both applications yet.',
    'Send the consent links to the administrator again if they are older than an hour.',
  ],
  consented: [
    'Both consents are there, but the connection was not confirmed.',
    'Set the application id in Intune, then confirm the connection.',
  ],
};

const list = (names: readonly string[]): string => names.join(', ');

function drift({ permissions }: TenantRow): string {
  const { extra = [], missing = [] } = permissions ?? {};
  const parts = [
    missing.length > 0 ? `Missing: ${list(missing)}.` : '',
    extra.length > 0 ? `More than expected: ${list(extra)}.` : '',
  ];
  return (
    parts.filter((part) => part !== '').join(' ') || 'The granted permissions are not the expected ones.'
  );
}

export function ofTenant(row: TenantRow): Attention[] {
  const { connectionState, hold, paused, permissions, tenantId } = row;
  const action = openTenant(tenantId);
  const found: Attention[] = [];
  if (hold !== null) {
    const { cause, detail, owner, remedy, since } = hold;
    found.push(item('tenant-held', row, { cause, detail, owner, remedy, since, action }));
  }
  if (connectionState === 'terminated') {
    const removed = row.devicesRemovedAt?.toISOString().slice(0, 10);
    found.push(
      item('tenant-terminated', row, {
        cause: 'terminated',
        detail: `Intune has ended the connection${removed === undefined ? '.' : `, and removes the devices on ${removed}.`}`,
        remedy: 'Confirm the connection: that provisions the tenant again.',
        owner: 'caller',
        since: row.terminatedAt,
        action,
      }),
    );
  }
  if (permissions?.ok === false) {
    found.push(
      item('permission-drift', row, {
        cause: permissions.missing.length > 0 ? 'permission-missing' : 'permission-extra',
        detail: drift(row),
        remedy:
          permissions.missing.length > 0
            ? 'Have the administrator of the tenant consent again.'
            : 'Have the administrator of the tenant remove what is too much in Entra, under Enterprise applications.',
        owner: 'configuration',
        since: permissions.checkedAt,
        action,
      }),
    );
  }
  const words = unfinished[connectionState];
  if (words !== undefined) {
    const [detail, remedy] = words;
    const since = row.createdAt;
    found.push(
      item('connection-unfinished', row, {
        cause: connectionState,
        detail,
        remedy,
        owner: 'caller',
        since,
        action,
      }),
    );
  }
  if (paused) {
    found.push(
      item('paused', row, {
        cause: 'paused',
        detail: 'An operator paused delivery: nothing is told to Intune.',
        remedy: 'Resume the tenant.',
        owner: 'caller',
        since: null,
        action,
      }),
    );
  }
  return found;
}

export function ofInstance(row: InstanceRow): Attention {
  const action = openInstance(row.tenantId, row.instanceId);
  if (row.paused) {
    return item('paused', row, {
      cause: 'instance-paused',
      detail: 'An operator paused the instance: it is neither read nor called.',
      remedy: 'Resume the instance.',
      owner: 'caller',
      since: null,
      action,
    });
  }
  return item('instance-unreachable', row, {
    cause: 'instance-unreachable',
    detail: row.lastError ?? '',
    remedy: 'Look whether Jamf Pro is up and the API client still works, then test the instance.',
    owner: 'instance',
    since: row.lastSeenAt ?? row.lastErrorAt,
    action,
  });
}

export const ofFailed = (row: FailedRow): Attention =>
  item('reports-failed', row, {
    cause: row.reason,
    detail: row.detail ?? 'Intune did not take these reports.',
    remedy: remedyOf(row.reason) ?? 'Look at one of the reports, end the cause, then replay them.',
    owner: ownerOf(row.reason),
    since: row.since,
    count: row.count,
    countIsLeast: row.more,
    action: {
      label: 'Show the reports',
      href: `/reports?${new URLSearchParams({ state: 'failed', tenant: row.tenantId, reason: row.reason })}#list`,
    },
  });

const runsOut = (expiresAt: Date): string =>
  expiresAt.getTime() > Date.now()
    ? `runs out on ${expiresAt.toISOString().slice(0, 10)}`
    : `ran out on ${expiresAt.toISOString().slice(0, 10)}`;

export const ofInstanceKey = (row: ExpiringKey): Attention =>
  item('credential-expiring', row, {
    cause: 'instance-key',
    detail: `The key ${row.name} (${row.prefix}…), with which the instance sends its webhooks, ${runsOut(row.expiresAt)}.`,
    remedy: 'Make a new key and set it in the webhooks of Jamf Pro.',
    owner: 'caller',
    since: row.expiresAt,
    action: openInstance(row.tenantId ?? '', row.instanceId ?? ''),
  });

export const ofApiKey = (row: ExpiringKey): Attention =>
  item('credential-expiring', row, {
    cause: 'api-key',
    detail: `The API key ${row.name} (${row.prefix}…) ${runsOut(row.expiresAt)}.`,
    remedy: 'Make a new key where the old one is used.',
    owner: 'caller',
    since: row.expiresAt,
    action: { label: 'Show the keys', href: '/keys' },
  });

const certificateWords: Readonly<
  Record<
    ExpiringCertificate['kind'],
    { readonly what: (name: string) => string; readonly cause: string; readonly remedy: string }
  >
> = {
  application: {
    what: (name) => `The certificate of the application ${name}`,
    cause: 'certificate',
    remedy: 'Add a new certificate to the application in Entra, then give it to the gateway.',
  },
  listener: {
    what: (name) => `The certificate ${name}, which the gateway presents to callers,`,
    cause: 'listener-certificate',
    remedy: 'Renew it and put the new files in its place; the gateway takes them without a restart.',
  },
  'client-authority': {
    what: (name) => `The authority of the instances' client certificates (${name})`,
    cause: 'client-authority',
    remedy:
      'Put the new authority beside the old one in the file and restart the gateway; then give the instances new certificates.',
  },
};

export const ofCertificate = ({ kind, name }: ExpiringCertificate, expiresAt: Date): Attention => {
  const { cause, remedy, what } = certificateWords[kind];
  return item(
    'credential-expiring',
    {},
    {
      cause,
      detail: `${what(name)} ${runsOut(expiresAt)}.`,
      remedy,
      owner: 'configuration',
      since: expiresAt,
      action: { label: 'Show the settings', href: '/settings' },
    },
  );
};

const until = (date: Date | null): string =>
  date === null ? 'There is none yet' : `The present one ${runsOut(date)}`;

/** Words for a name whose certificate could not be fetched or renewed by ACME. */
export const ofAcmeName = ({ lastError, lastErrorAt, name, nextTryAt, notAfter }: AcmeNameState): Attention =>
  item(
    'certificate-not-renewed',
    {},
    {
      cause: 'acme',
      detail: `The certificate for ${name} was not issued. ${lastError ?? ''} ${until(notAfter)}; the next try is at ${nextTryAt.toISOString()}.`,
      remedy: remedyOfAcme(lastError ?? ''),
      owner: 'configuration',
      since: lastErrorAt,
      action: { label: 'Show the settings', href: '/settings' },
    },
  );

export const ofApproval = (row: WaitingApproval): Attention =>
  item('approval-waiting', row, {
    cause: row.action,
    detail: `${row.summary}, asked for by ${row.requestedBy}.`,
    remedy: 'A second operator approves or rejects it within a day.',
    owner: 'caller',
    since: row.createdAt,
    count: row.devices,
    action: { label: 'Decide', href: `/approvals/${row.approvalId}` },
  });

/** Words for a target of alerts that does not take them. */
export const ofFailingTarget = (row: FailingTarget): Attention =>
  item(
    'alert-target-failing',
    {},
    {
      cause: row.givenUpAt === null ? 'alert-target-failing' : 'alert-target-given-up',
      detail:
        row.givenUpAt === null
          ? `The target ${row.name} takes no alerts: ${row.lastError ?? 'no answer'}.`
          : `The target ${row.name} was given up, and hears of nothing any more: ${row.lastError ?? 'no answer'}.`,
      remedy:
        'See to it that its address answers, then test the target: a test that arrives lets alerts go on.',
      owner: 'configuration',
      since: row.failingSince,
      action: { label: 'Open the target', href: `/alerts/${row.targetId}` },
    },
  );

/** Nothing waits in mode `alert`, nor for those that turn not compliant in the default one: then there is only to look. */
export const ofMassChange = (row: MassChangeRow): Attention =>
  item('mass-change', row, {
    cause: 'mass-change',
    detail:
      `Of ${row.macs} Macs ${row.unmanaged} became unmanaged and ${row.notCompliant} not compliant within an hour. ` +
      (row.held === 0 ? 'Nothing of it waits.' : 'What is held was not told to Intune.') +
      (row.state === 'refused' ? ' It was refused, and the instances were asked again.' : ''),
    remedy:
      'Find out whether the Jamf Pro server or a group was changed by mistake. Release the hold if the change is right, else put ' +
      'the server or the group right and refuse it.',
    owner: 'caller',
    since: row.openedAt,
    count: Math.max(row.held, 1),
    countIsLeast: row.held === attentionReports,
    action: { label: 'Decide', href: `/tenants/${row.tenantId}/holds/${row.holdId}` },
  });
