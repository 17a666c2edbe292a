import { expect, test } from 'vitest';
import { tableOwners } from '../../.ci/owners.ts';
import { findWrites, type Tables } from '../../.ci/writers.ts';

const tables: Tables = new Map([
  ['tenants', 'tenants'],
  ['holds', 'holds'],
]);

const ownersOf = (files: Readonly<Record<string, string>>) =>
  tableOwners(
    new Map(Object.entries(files)),
    Object.entries(files).flatMap(([file, text]) => findWrites(file, text, tables)),
  );

test('a table has its writer and the verbs that others call, also those that write it through another', () => {
  const owners = ownersOf({
    'src/store/tenants/hold.ts': `
      import { put } from './tenant.ts';
      const hold = () => sql\`insert into holds values (1)\`;
      export const holdTenant = async () => { await hold(); await put(); };
      export const readHold = () => sql\`select * from holds\`;`,
    'src/store/tenants/tenant.ts': `
      export function put() { return sql\`update tenants set a = 1\`; }
      export const unused = () => sql\`delete from tenants\`;`,
    'src/connection/confirm.ts': `
      import { holdTenant, readHold } from '../store/tenants/hold.ts';
      export const confirm = () => [holdTenant(), readHold()];`,
    'src/admin/tenants/tenants.ts': `
      import { put as write } from '../../store/tenants/tenant.ts';
      import type { holdTenant } from '../../store/tenants/hold.ts';
      write({ holdTenant: 1 }, services.holdTenant);`,
  });
  expect(owners).toEqual([
    { table: 'holds', module: 'store/tenants/', verbs: '`holdTenant` (connection/)' },
    {
      table: 'tenants',
      module: 'store/tenants/',
      verbs: '`holdTenant` (connection/), `put` (admin/tenants/)',
    },
  ]);
});
