import { describe, expect, it } from 'vitest';
import { inOperatorsWords, personName, sentence } from './words.ts';

describe('texts of the API on a page', () => {
  it('begin with a capital and end with a full stop', () => {
    expect(sentence('pinning the device')).toBe('Pinning the device.');
    expect(sentence('Device not found.')).toBe('Device not found.');
    expect(sentence(' ')).toBe('');
  });

  it('name buttons in place of calls and commands', () => {
    expect(inOperatorsWords('then tell it again: POST /reports/replay ("espalier reports replay")')).toBe(
      'then replay the report',
    );
    expect(inOperatorsWords('POST /tenants/{tenantId}/resume')).toBe("press “Resume” on the tenant's page");
  });

  it('name a person without the kind of his key', () => {
    expect(personName('key Ann')).toBe('Ann');
    expect(personName('ann@example.com')).toBe('ann@example.com');
  });
});
