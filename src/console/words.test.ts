import { describe, expect, it } from 'vitest';
import { personName, sentence } from './words.ts';

describe('texts of the API on a page', () => {
  it('begin with a capital and end with a full stop', () => {
    expect(sentence('pinning the device')).toBe('Pinning the device.');
    expect(sentence('Device not found.')).toBe('Device not found.');
    expect(sentence(' ')).toBe('');
  });

  it('name a person without the kind of his key', () => {
    expect(personName('key Ann')).toBe('Ann');
    expect(personName('ann@example.com')).toBe('ann@example.com');
  });
});
