/** Customers of a service provider: as many tenants and instances as are asked for. */

import type { WorldTenantOptions } from './world.ts';

const customers = [
  'Contoso',
  'Fabrikam',
  'Northwind',
  'Adatum',
  'Litware',
  'Proseware',
  'Tailspin',
  'Wingtip',
];
const cities = ['berlin', 'paris', 'tokyo', 'boston', 'oslo', 'lima', 'cairo', 'delhi', 'madrid', 'perth'];

/** The n-th of `total` nearly equal shares of `whole`; the first ones are the larger. */
const share = (whole: number, total: number, index: number): number =>
  Math.floor(whole / total) + (index < whole % total ? 1 : 0);

/**
 * Tenants by turns in the clouds `public` and `usgov`; instances and Macs shared out as evenly as whole numbers allow, the
 * larger shares first. Throws `RangeError` for fewer instances than tenants.
 */
export function manyTenants(tenants: number, instances: number, macs: number): WorldTenantOptions[] {
  if (tenants < 1 || instances < tenants)
    throw new RangeError(`${instances} instances are too few for ${tenants} tenants: each has one or more`);
  let named = 0;
  return Array.from({ length: tenants }, (_, index) => ({
    cloud: index % 2 === 0 ? 'public' : 'usgov',
    displayName: customers[index] ?? `Customer ${index + 1}`,
    instances: Array.from({ length: share(instances, tenants, index) }, () => {
      const name = cities[named] ?? `instance-${named + 1}`;
      const own = { name, macs: share(macs, instances, named) };
      named += 1;
      return own;
    }),
  }));
}
