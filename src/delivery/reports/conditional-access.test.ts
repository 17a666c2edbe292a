import { describe, expect, it } from 'vitest';
import { deviceEntities } from '../../intune/entities.ts';
import type { JamfClient } from '../../jamf/client.ts';
import { parseComputer } from '../../jamf/inventory.ts';
import type { DueComputer } from '../../store/computers/leases.ts';
import type { Instance } from '../../store/instances/instance.ts';
import { createJobs, turnsApart } from '../../untrusted/turns.ts';
import { type Fetched, fetchComputer } from '../computers/fetch-computer.ts';
import { defaultInventoryVocabulary as vocabulary } from './attributes.ts';
import { deviceReport } from './device-report.ts';
import { type ReportContent, tellable } from './report.ts';
import { contentFor } from './report-content.ts';

const deviceId = 'aaaaaaaa-1111-4222-8333-bbbbbbbbbbbb';
const account = {
  passwordMinLength: 8,
  passwordMaxAge: 90,
  passwordMinComplexCharacters: 1,
  passwordHistoryDepth: 5,
  passwordRequireAlphanumeric: true,
  computerAzureActiveDirectoryId: deviceId,
  userAzureActiveDirectoryId: 'cccccccc-1111-4222-8333-dddddddddddd',
  azureActiveDirectoryId: 'DEACTIVATED',
};
const record = {
  id: '42',
  udid: 'UDID',
  general: {
    name: 'ada-mac',
    platform: 'Mac',
    reportDate: '2026-11-22T10:00:00Z',
    lastContactTime: '2026-11-22T11:00:00Z',
  },
  userAndLocation: { email: 'ada@example.test' },
  hardware: { serialNumber: 'C02XX' },
  operatingSystem: { name: 'Mac OS', version: '26.1', fileVault2Status: 'ALL_ENCRYPTED' },
  security: { sipStatus: 'ENABLED', gatekeeperStatus: 'APP_STORE', autoLoginDisabled: true },
  localUserAccounts: [account],
};
const source = { source: 'jamf' } as const;

function found(raw: unknown, mode: 'conditional-access' | 'device-compliance') {
  const parsed = parseComputer(raw);
  if (!parsed.ok) throw new Error('the record is no record');
  const compliance = mode === 'device-compliance' ? [] : undefined;
  return {
    ok: true as const,
    mode,
    computer: parsed.computer,
    record: raw,
    by: 'read' as const,
    stale: false,
    late: false,
    warnings: [],
    compliance,
  };
}

function contentOf(
  raw: unknown,
  mode: 'conditional-access' | 'device-compliance' = 'conditional-access',
): ReportContent {
  const content = contentFor(deviceId, found(raw, mode), source, vocabulary);
  if (!content) throw new Error('the record has no such device');
  return content;
}

const identity = { tenantId: 't', deviceId, lastUpdateTime: '2026-11-23T00:12:00Z' };
const intunes = { compliant: undefined, mode: 'conditional-access' } as const;
const entities = (content: ReportContent, words = vocabulary) =>
  deviceEntities(deviceReport(identity, content, intunes, words));

describe('the state of a device in mode conditional-access', () => {
  it('holds what Intune judges, and no verdict of Jamf', () => {
    expect(contentOf(record)).toMatchObject({
      verdict: 'by-intune',
      inventory: { JamfId: 42, State: '1', Os: 'Mac OS', SerialNumber: 'C02XX', UPN: 'ada@example.test' },
      complianceAttributes: { Encrypted: true, PasscodeLength: '8', PasswordType: 'alphanumeric' },
    });
  });

  it('holds no compliance attributes unless the account tells all of them', () => {
    const incomplete = { ...record, localUserAccounts: [{ ...account, passwordMaxAge: null }] };
    expect(contentOf(incomplete)).not.toHaveProperty('complianceAttributes');
    expect(contentOf(incomplete)).toHaveProperty('inventory');
  });

  it('has none of it in mode device-compliance', () => {
    expect(Object.keys(contentOf(record, 'device-compliance'))).toEqual([
      'userId',
      'deviceName',
      'osVersion',
      'lastCheckInAt',
      'reportedAt',
      'managed',
      'inventoryState',
      'verdict',
    ]);
  });

  it('is undefined for a device that the computer no longer has', () => {
    expect(contentFor(crypto.randomUUID(), found(record, 'conditional-access'), source, vocabulary)).toBe(
      undefined,
    );
  });
});

describe('what is told in mode conditional-access', () => {
  it('inventory and compliance inventory, whose words and numbers are settings', () => {
    const content = contentOf(record);
    expect(entities(content)).toEqual([
      {
        ...content.inventory,
        EntityType: 1,
        TenantId: 't',
        DeviceId: deviceId,
        UserId: account.userAzureActiveDirectoryId,
        LastUpdateTime: '2026-11-23T00:12:00Z',
        DeviceManagementState: 'managed',
        LastCheckInTime: '2026-11-22T11:00:00Z',
        EasIds: [],
      },
      {
        ...content.complianceAttributes,
        EntityType: 2,
        TenantId: 't',
        DeviceId: deviceId,
        UserId: account.userAzureActiveDirectoryId,
        LastUpdateTime: '2026-11-23T00:12:00Z',
      },
    ]);
    const other = { ...vocabulary, inventoryEntityType: 10, complianceEntityType: 11 };
    expect(entities(content, other).map(({ EntityType }) => EntityType)).toEqual([10, 11]);
  });

  it('only inventory while the compliance is incomplete, and for a Mac that is no longer managed', () => {
    const { complianceAttributes: _, ...incomplete } = contentOf(record);
    expect(entities(incomplete).map(({ EntityType }) => EntityType)).toEqual([1]);
    expect(entities({ ...contentOf(record), managed: false })).toMatchObject([
      { EntityType: 1, DeviceManagementState: 'notManaged', SerialNumber: 'C02XX' },
    ]);
  });

  it('a retraction of what was read in the other mode, with what is known', () => {
    const retracted = { ...contentOf(record, 'device-compliance'), managed: false };
    expect(entities(retracted)).toMatchObject([
      { DeviceManagementState: 'notManaged', DeviceName: 'ada-mac', Os: 'macOS', State: '1' },
    ]);
  });
});

describe('what may be told in mode conditional-access', () => {
  const content = contentOf(record);
  const ofOtherMode = contentOf(record, 'device-compliance');
  it.each([
    [content, { tell: true, compliant: undefined }],
    [
      { ...content, managed: false, verdict: 'not-compliant' as const },
      { tell: true, compliant: undefined },
    ],
    [
      { ...ofOtherMode, managed: false },
      { tell: true, compliant: undefined },
    ],
    [
      { ...content, userId: null },
      { tell: false, reason: 'user-unknown' },
    ],
    [ofOtherMode, { tell: false, reason: 'mode-changed' }],
  ])('%#', (state, expected) => {
    expect(tellable(state, true, 'conditional-access')).toMatchObject(expected);
  });

  it('and back in device-compliance it waits to be read again', () => {
    expect(tellable(content, true, 'device-compliance')).toMatchObject({
      tell: false,
      reason: 'mode-changed',
    });
    expect(
      tellable({ ...content, managed: false, verdict: 'not-compliant' }, true, 'device-compliance'),
    ).toEqual({ tell: true, compliant: false });
  });
});

describe('reading a computer in mode conditional-access', () => {
  const row: DueComputer = {
    tenantId: 't',
    instanceId: 'i',
    jamfComputerId: 42,
    wantedRevision: 1,
    doneRevision: 0,
    pushedRecord: JSON.stringify(record),
    pushedReportAt: null,
    pushedRevision: 1,
    reportAt: null,
    readAt: null,
    notFoundForMs: null,
    receivedAt: null,
    background: false,
    needsInstance: false,
    attempts: 0,
    leasedAt: new Date(0),
    traceparent: null,
  };
  const instance = { compliance: { source: 'smart-group' } } as Instance;
  const down = { ok: false, failure: 'unreachable', detail: 'down' } as const;
  const asked: string[] = [];
  const client = {
    computer: async () => {
      asked.push('computer');
      return down;
    },
    complianceInformation: async () => {
      asked.push('compliance');
      return down;
    },
  } as Partial<JamfClient> as JamfClient;
  const inTurn = createJobs(turnsApart);
  const read = (raw: unknown, mode: 'conditional-access' | 'device-compliance'): Promise<Fetched> => {
    asked.length = 0;
    return fetchComputer({
      row: { ...row, pushedRecord: JSON.stringify(raw) },
      instance,
      client,
      mode,
      inTurn,
    });
  };

  it('takes a pushed record that has the sections, and asks for no verdict', async () => {
    const fetched = await read(record, 'conditional-access');
    expect(fetched).toMatchObject({ ok: true, mode: 'conditional-access', record, compliance: undefined });
    expect(asked).toEqual([]);
    expect(
      (
        await fetchComputer({
          ...{ row, client, inTurn },
          instance: { compliance: source } as Instance,
          mode: 'conditional-access',
        })
      ).ok,
    ).toBe(true);
    expect(asked).toEqual([]);
  });

  it('asks the instance where a section is missing', async () => {
    const { security: _, ...partial } = record;
    expect((await read(partial, 'conditional-access')).ok).toBe(false);
    expect(asked).toEqual(['computer']);
    expect((await read({ ...partial, groupMemberships: [] }, 'device-compliance')).ok).toBe(true);
  });
});
