import type { PGlite } from '@electric-sql/pglite';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { prepareAll, readStatements } from '../../.ci/prepare.ts';
import { openMigrated } from '../../.ci/statements.ts';

let database: PGlite;
beforeAll(async () => {
  database = await openMigrated();
}, 120_000);
afterAll(() => database?.close());

const faultsOf = async (text: string): Promise<string[]> => {
  const { faults, statements } = readStatements(new Map([['src/a.ts', text]]));
  const refused = await prepareAll(database, statements);
  return [...faults, ...refused].map(({ line, reason }) => `${line} ${reason}`);
};

test('an unknown column is refused, also in a fragment that only one caller takes', async () => {
  expect(
    await faultsOf(`
      const old = (sql) => sql\`nowhere < now()\`;
      const due = (sql, all) => sql\`select tenant_id from tenants where \${all ? sql\`true\` : old(sql)}\`;
      sql\`select paused from tenants where tenant_id = \${tenantId}\`;
      sql\`select gone from tenants\`;`),
  ).toEqual(['3 42703 column "nowhere" does not exist', '5 42703 column "gone" does not exist']);
});

test('a statement is prepared by itself although its answer goes into another one', async () => {
  expect(
    await faultsOf(`
      const [row] = await sql\`select gone from tenants\`;
      await sql\`select 1 from tenants where tenant_id = \${row.gone}\`;`),
  ).toEqual(['2 42703 column "gone" does not exist']);
});

test('a hole whose text nobody can tell is refused', async () => {
  expect(
    await faultsOf(`const f = (order) => sql\`select 1 from tenants order by \${sql.unsafe(order)}\`;`),
  ).toContain(`1 \${sql.unsafe(order)}: its text is not known`);
});
