import { describe, expect, it } from 'vitest';
import { parseDotEnv } from './dot-env.ts';

const read = (text: string): Record<string, string> => parseDotEnv(Buffer.from(text));
const utf16 = (text: string, mark: readonly number[]): Buffer =>
  Buffer.concat([Buffer.from(mark), Buffer.from(text, 'utf16le')]);

describe('.env', () => {
  it('keeps its first variable behind a byte order mark', () => {
    expect(read('\uFEFFDATABASE_URL=postgres://a\nB=2')).toEqual({ DATABASE_URL: 'postgres://a', B: '2' });
  });

  it('has the line ends of any system', () => {
    const expected = { A: '1', B: 'x y', C: 'z' };
    for (const end of ['\n', '\r\n', '\r'])
      expect(read(['A=1', 'B="x y"', 'C= z '].join(end))).toEqual(expected);
  });

  it('takes quotes away and keeps what they hold', () => {
    expect(read(`A="a b"\nB='c # d'\nC=\`e\`\nD="x # y" # said\nE="a\\nb"\nF='a\\nb'\nG=""`)).toEqual({
      A: 'a b',
      B: 'c # d',
      C: 'e',
      D: 'x # y',
      E: 'a\nb',
      F: 'a\\nb',
      G: '',
    });
  });

  it('leaves $, = and JSON alone', () => {
    expect(read(`A=$B\nC="$(D)"\nE=a=b==\nF=["GET /a"]\nG='{"a":"b"}'`)).toEqual({
      A: '$B',
      C: '$(D)',
      E: 'a=b==',
      F: '["GET /a"]',
      G: '{"a":"b"}',
    });
  });

  it('knows export, spaces around the equals sign, and comments wherever they begin', () => {
    expect(read('export A=1\n  export\tB = 2\n # C=3\n\t#D=4\nE=5 # said\n\n')).toEqual({
      A: '1',
      B: '2',
      E: '5',
    });
  });

  it('has values over several lines, and the last value of a name', () => {
    expect(read('A="one\ntwo"\r\nB=1\nB=2')).toEqual({ A: 'one\ntwo', B: '2' });
  });

  it('is refused in UTF-16 and in another encoding than UTF-8', () => {
    for (const mark of [[0xff, 0xfe], [0xfe, 0xff], []])
      expect(() => parseDotEnv(utf16('A=1\r\n', mark))).toThrow(/UTF-16.*UTF-8/);
    expect(() => parseDotEnv(Buffer.from('A=m\xfcnchen', 'latin1'))).toThrow(/not UTF-8/);
  });

  it('is refused where a value would end at a quote inside it, without showing the value', () => {
    expect(() => read('A=1\nB="pass"word" # x')).toThrow(/of B in line 2/);
    expect(() => read('A="[\\"GET /a\\"]"')).toThrow(/of A in line 1/);
    expect(() => read('B="secret"word"')).not.toThrow(/secret/);
  });
});
