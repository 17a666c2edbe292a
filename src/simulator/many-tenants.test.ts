import { describe, expect, it } from 'vitest';
import { manyTenants } from './many-tenants.ts';

describe('a world of many tenants', () => {
  it('shares instances and Macs out evenly, every instance with a name of its own', () => {
    const tenants = manyTenants(3, 7, 15);
    expect(
      tenants.map(({ cloud, displayName, instances }) => [
        displayName,
        cloud,
        instances.map(({ macs, name }) => `${name} ${macs}`),
      ]),
    ).toEqual([
      ['Contoso', 'public', ['berlin 3', 'paris 2', 'tokyo 2']],
      ['Fabrikam', 'usgov', ['boston 2', 'oslo 2']],
      ['Northwind', 'public', ['lima 2', 'cairo 2']],
    ]);
    const large = manyTenants(20, 45, 1_000).flatMap(({ instances }) => instances);
    expect(new Set(large.map(({ name }) => name)).size).toBe(45);
    expect(large.reduce((sum, { macs }) => sum + macs, 0)).toBe(1_000);
  });

  it('refuses fewer instances than tenants', () => {
    expect(() => manyTenants(3, 2, 10)).toThrow('2 instances are too few for 3 tenants');
    expect(() => manyTenants(0, 0, 10)).toThrow(RangeError);
  });
});
