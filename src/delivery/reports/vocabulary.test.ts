import { expect, test } from 'vitest';
import { defaultInventoryVocabulary } from './attributes.ts';
import { parseVocabulary } from './vocabulary.ts';

test.each([undefined, '', ' ', '{}'])('%j is the defaults', (text) => {
  expect(parseVocabulary(text)).toEqual({ ok: true, vocabulary: defaultInventoryVocabulary });
});

test('given words replace their defaults, without regard to case, and the others stay', () => {
  const result = parseVocabulary(
    '{"complianceEntityType":3,"sip":{"enabled":"Enabled"},"passwordType":{"notTold":null},"units":{"ram":" MB"}}',
  );
  expect(result).toEqual({
    ok: true,
    vocabulary: {
      ...defaultInventoryVocabulary,
      complianceEntityType: 3,
      sip: { NOT_COLLECTED: null, NOT_AVAILABLE: null, DISABLED: 'DISABLED', enabled: 'Enabled' },
      passwordType: { ...defaultInventoryVocabulary.passwordType, notTold: null },
      units: { ...defaultInventoryVocabulary.units, ram: ' MB' },
    },
  });
});

test.each([
  ['x', 'must be a JSON object'],
  ['[]', 'object'],
  ['{"entityType":3}', 'entityType'],
  ['{"complianceEntityType":"2"}', 'complianceEntityType: '],
  ['{"complianceEntityType":1}', 'must differ'],
  ['{"encrypted":{"BOOT_ENCRYPTED":"yes"}}', 'encrypted.BOOT_ENCRYPTED: '],
  ['{"state":{"GONE":"3"}}', 'state: '],
])('refuses %s', (text, named) => {
  const result = parseVocabulary(text);
  expect(result.ok ? '' : result.errors.join()).toContain(named);
});

test('names every fault', () => {
  const result = parseVocabulary('{"inventoryEntityType":0,"units":{"ram":5}}');
  expect(result.ok ? [] : result.errors).toHaveLength(2);
});
