import { describe, expect, it } from 'vitest';
import { hashKey, looksLikeKey, newKey, presentedKey } from './keys.ts';
import { createSealer, SealBroken } from './seal.ts';

const key = (fill: number) => new Uint8Array(32).fill(fill);

describe('sealing', () => {
  it('opens what it sealed, for the same row only', async () => {
    const sealer = await createSealer([key(1)]);
    const sealed = await sealer.seal('hush', 'instances/a/b');
    expect(sealed).not.toContain('hush');
    expect(await sealer.open(sealed, 'instances/a/b')).toBe('hush');
    await expect(sealer.open(sealed, 'instances/a/c')).rejects.toThrow(SealBroken);
  });

  it('seals with the first key and opens with all', async () => {
    const old = await (await createSealer([key(1)])).seal('hush', 'row');
    const rotated = await createSealer([key(2), key(1)]);
    expect(await rotated.open(old, 'row')).toBe('hush');
    const sealed = await rotated.seal('hush', 'row');
    await expect((await createSealer([key(1)])).open(sealed, 'row')).rejects.toThrow(SealBroken);
  });

  it('refuses what was damaged', async () => {
    const sealer = await createSealer([key(1)]);
    const sealed = await sealer.seal('hush', 'row');
    await expect(sealer.open(`${sealed.slice(0, -2)}AA`, 'row')).rejects.toThrow(SealBroken);
    await expect(sealer.open('nonsense', 'row')).rejects.toThrow(SealBroken);
  });
});

describe('keys', () => {
  it('are random, recognisable, and stored as a hash', async () => {
    const made = newKey();
    expect(looksLikeKey(made)).toBe(true);
    expect(newKey()).not.toBe(made);
    expect(await hashKey(made)).toHaveLength(43);
  });

  it.each([
    [{ authorization: 'Bearer esp_x' }, 'esp_x'],
    [{ authorization: `Basic ${btoa('user:esp_x')}` }, 'esp_x'],
    [{ authorization: `Basic ${btoa('user:a:b')}` }, 'a:b'],
    [{ authorization: `Basic ${btoa('nocolon')}` }, undefined],
    [{ authorization: 'Basic %%%' }, undefined],
    [{ authorization: 'Digest x' }, undefined],
    [{ 'x-api-key': 'esp_x' }, 'esp_x'],
    [{}, undefined],
  ])('%j presents %s', (headers, expected) => {
    expect(presentedKey(new Headers(headers as Record<string, string>))).toBe(expected);
  });
});
