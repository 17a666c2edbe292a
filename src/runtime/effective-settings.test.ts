import { describe, expect, it } from 'vitest';
import { effectiveSettings } from './effective-settings.ts';
import { settingGroups } from './setting-groups.ts';
import { type Setting, settings } from './settings.ts';

const all = Object.values(settings) as Setting<unknown>[];
const one = (name: string, value: string) =>
  effectiveSettings({ [name]: value }).find((setting) => setting.name === name);

describe('effective settings', () => {
  it('have every setting once, in the order of the groups', () => {
    const shown = effectiveSettings({});
    expect(shown.map(({ name }) => name).sort()).toEqual(all.map(({ name }) => name).sort());
    expect([...new Set(shown.map(({ group }) => group))]).toEqual([...settingGroups]);
    expect(shown.filter(({ set }) => set)).toEqual([]);
  });

  it('say whether a value is set or the default', () => {
    expect(one('ESPALIER_POLL_SECONDS', ' 60 ')).toMatchObject({ value: '60', set: true, default: '900' });
    expect(one('ESPALIER_POLL_SECONDS', '')).toMatchObject({ value: '900', set: false });
    expect(one('ESPALIER_ENTRA_CLIENT_ID_USGOV', 'abc')).toMatchObject({ value: 'abc', set: true });
  });

  it('hold no value of a secret setting, of any cloud and of either pair', () => {
    const secret = all.filter((setting) => setting.secret);
    expect(secret.length).toBeGreaterThan(4);
    const names = secret.flatMap(({ name, perCloud }) =>
      perCloud ? [name, `${name}_NEXT`, `${name}_USGOV`, `${name}_USGOV_NEXT`] : [name],
    );
    const shown = effectiveSettings(Object.fromEntries(names.map((name) => [name, 'sesame,openly'])));
    expect(shown.filter(({ set }) => set).map(({ name, value }) => [name, value])).toEqual(
      expect.arrayContaining(names.map((name) => [name, '********'])),
    );
    expect(JSON.stringify(shown)).not.toMatch(/sesame|openly/);
  });

  it.each([
    ['postgres://app:sesame@db.example:5433/main', 'postgresql://********@db.example:5433/main'],
    ['postgres://db.example/main?user=app&password=sesame', 'postgresql://********@db.example:5432/main'],
    ['postgres://app:12/sesame@db.example/main', '********'],
    ['sesame', '********'],
  ])('show of a database where it is and nothing else: %s', (url, shown) => {
    expect(one('DATABASE_URL', url)?.value).toBe(shown);
  });

  it('hide a password in any address, and a key that stands where a file is named', () => {
    expect(one('ESPALIER_UPSTREAM_ALLOW', 'a.example,https://me:sesame@b.example')?.value).toBe(
      'a.example,https://me:********@b.example',
    );
    expect(one('ESPALIER_LANDING_PATHS', '{"enrolment":"https://:ses@me@b.example/"}')?.value).toBe(
      '{"enrolment":"https://:********@b.example/"}',
    );
    expect(one('ESPALIER_TLS_KEY_FILE', '-----BEGIN PRIVATE KEY-----\nsesame')?.value).toBe('********');
  });
});
