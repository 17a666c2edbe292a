import { describe, expect, test } from 'vitest';
import { fullRecord } from '../../../test/harness/full-record.ts';
import { oddForms, readPaths, variantOf } from '../../../test/harness/odd-records.ts';
import { parseComputer } from '../../jamf/inventory.ts';
import {
  accountOf,
  complianceAttributes,
  defaultInventoryVocabulary,
  inventoryAttributes,
  inventoryWarnings,
} from './attributes.ts';

const deviceId = 'a3f1d2c4-0b5e-4f6a-8c7d-9e0f1a2b3c4d';

function readAll(record: unknown) {
  const parsed = parseComputer(record);
  const [registration] = parsed.ok ? parsed.computer.registrations : [];
  const attributes = inventoryAttributes(
    record,
    registration ?? { state: undefined },
    defaultInventoryVocabulary,
  );
  const compliance = complianceAttributes(record, accountOf(record, deviceId));
  return { parsed, attributes, compliance };
}

/** Routing requires these members: without them there is no Mac, and they are reported by themselves. */
const required = new Set([
  'id',
  'localUserAccounts',
  'localUserAccounts.0',
  'localUserAccounts.0.computerAzureActiveDirectoryId',
]);
const paths = readPaths(fullRecord(), readAll);

describe('a member in another form than expected costs itself alone', () => {
  test('the members that are read are found by reading', () => {
    expect(paths.length).toBeGreaterThan(45);
    expect(paths).toContain('general.reportDate');
    expect(paths).toContain('localUserAccounts.0.passwordMinLength');
  });

  test.each(paths.filter((path) => !required.has(path)))('%s', (path) => {
    for (const [form, value] of oddForms) {
      const record = variantOf(fullRecord(), path, value);
      const { parsed } = readAll(record);
      if (!parsed.ok) throw new Error(`${path} as ${form}: ${JSON.stringify(parsed.errors)}`);
      const { computer, warnings } = parsed;
      expect([computer.jamfComputerId, computer.registrations.map((one) => one.deviceId)]).toEqual([
        '17',
        [deviceId],
      ]);
      if (!'general.lastEnrolledDate'.startsWith(path)) expect(computer.lastEnrolledAt).toBeDefined();
      const fields = [...warnings, ...inventoryWarnings(record)].map(({ field }) =>
        field.replace(/\[(\d+)\]/g, '.$1'),
      );
      const isOdd =
        typeof value === 'object' && value !== null && !(Array.isArray(value) && path === 'groupMemberships');
      const isSection =
        path === 'groupMemberships.0' || !path.includes('.') || path === 'general.remoteManagement';
      if (isOdd && !(isSection && !Array.isArray(value))) {
        expect(
          fields.some((field) => field.startsWith(path)),
          `${path} as ${form} is told: ${fields}`,
        ).toBe(true);
      }
    }
  });

  test.each([...required])('%s is required, and the refusal names it', (path) => {
    for (const [form, value] of oddForms) {
      const { parsed } = readAll(variantOf(fullRecord(), path, value));
      const said = parsed.ok ? parsed.warnings : parsed.errors;
      const isAbsent = value === undefined || value === null || value === '';
      if (!isAbsent && path !== 'id' && !(parsed.ok && parsed.computer.registrations.length > 0)) {
        const named = said.some(({ field }) => field.startsWith('localUserAccounts'));
        const isEmpty = Array.isArray(value) && value.length === 0;
        const isNoAccount = path === 'localUserAccounts.0' && typeof value === 'object';
        expect(named || isEmpty || isNoAccount, `${path} as ${form}`).toBe(true);
      }
    }
  });
});
