import { expect, test } from 'vitest';
import { deviceEntities } from '../../intune/entities.ts';
import { defaultInventoryVocabulary } from './attributes.ts';
import { deviceReport } from './device-report.ts';
import type { ReportContent } from './report.ts';

const identity = { tenantId: 't', deviceId: 'd', lastUpdateTime: '2026-11-23T00:12:00Z' };
const content: ReportContent = {
  userId: 'u',
  deviceName: '',
  osVersion: '',
  lastCheckInAt: null,
  reportedAt: null,
  managed: true,
  inventoryState: 0,
  verdict: 'compliant',
};

test.each(['device-compliance', 'conditional-access'] as const)(
  'what is not known is left out in mode %s',
  (mode) => {
    const compliant = mode === 'device-compliance' ? true : undefined;
    const told = { ...content, managed: mode === 'device-compliance' };
    const entities = deviceEntities(
      deviceReport(identity, told, { compliant, mode }, defaultInventoryVocabulary),
    );
    for (const entity of entities) {
      expect(Object.values(entity)).not.toContain('');
      for (const name of ['OsVersion', 'DeviceName', 'LastCheckInTime'])
        expect(entity).not.toHaveProperty(name);
    }
    const known = { ...told, osVersion: '26.1', deviceName: 'Mac 17' };
    const [inventory] = deviceEntities(
      deviceReport(identity, known, { compliant, mode }, defaultInventoryVocabulary),
    );
    expect(inventory).toMatchObject({ OsVersion: '26.1', DeviceName: 'Mac 17' });
  },
);
