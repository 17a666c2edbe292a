import { describe, expect, it } from 'vitest';
import { firstLine, oneLine } from './one-line.ts';

describe('foreign text in one line', () => {
  it.each(['\n', '\r\n', '\u0000', '\u001b', '\u007f', '\u0085', '\u2028', '\u2029'])(
    'takes out %j',
    (breaker) => {
      expect(oneLine(`a${breaker}b`, 10)).toBe('a b');
      expect(firstLine(`a${breaker}b`)).toBe('a');
    },
  );

  it('cuts at the length, and leaves other text as it is', () => {
    expect(oneLine('Zoë’s Mac\n', 4)).toBe('Zoë’');
    expect(oneLine('Zoë’s Mac', 100)).toBe('Zoë’s Mac');
    expect(firstLine('')).toBe('');
  });
});
