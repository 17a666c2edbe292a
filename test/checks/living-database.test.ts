import { readdirSync, readFileSync } from 'node:fs';
import { getTableName, isTable } from 'drizzle-orm';
import { expect, it } from 'vitest';
import { checkLivingDatabase, largeTables } from '../../.ci/living-database.ts';
import * as operatorSchema from '../../src/store/operator-schema.ts';
import * as schema from '../../src/store/schema.ts';

/** Rules for migrations of a database that is being worked on. */

const folder = new URL('../../migrations/', import.meta.url);
const faultsOf = (text: string): string[] => checkLivingDatabase(new Map([['9999_test.sql', text]]));

it('every migration since the first release keeps them', () => {
  const files = readdirSync(folder).filter((name) => name.endsWith('.sql'));
  expect(
    checkLivingDatabase(new Map(files.map((name) => [name, readFileSync(new URL(name, folder), 'utf8')]))),
  ).toEqual([]);
});

it('the large tables that it knows are tables of the schema', () => {
  const names = Object.values({ ...schema, ...operatorSchema }).flatMap((value) =>
    isTable(value) ? [getTableName(value)] : [],
  );
  expect(names).toEqual(expect.arrayContaining([...largeTables]));
});

it.each([
  ['CREATE INDEX "x" ON "reports" USING btree ("reason");', /reports.*CONCURRENTLY/],
  ['CREATE UNIQUE INDEX "x" ON "claims" USING btree ("tenant_id");', /CONCURRENTLY/],
  ['DROP INDEX "reports_due";', /DROP INDEX CONCURRENTLY/],
  ['CREATE INDEX CONCURRENTLY IF NOT EXISTS "x" ON "reports" ("reason");', /must name its index/],
  [
    'CREATE INDEX CONCURRENTLY "x" ON "reports" ("reason");--> statement-breakpoint\nSELECT 1;',
    /of their own/,
  ],
  ['ALTER TABLE "reports" ADD CONSTRAINT "x" CHECK (attempts > 0);', /NOT VALID/],
  [
    'ALTER TABLE "claims" ADD CONSTRAINT "x" FOREIGN KEY ("tenant_id") REFERENCES "tenants"("tenant_id");',
    /NOT VALID/,
  ],
  ['ALTER TABLE "routes" ADD CONSTRAINT "x" UNIQUE("tenant_id","udid");', /USING INDEX/],
  ['ALTER TABLE "reports" ADD COLUMN "x" uuid DEFAULT gen_random_uuid();', /anew under its lock/],
  ['-- Why.\nUPDATE "computers" SET "attempts" = 0;', /in batches/],
  ['ALTER TABLE "tenants" ADD COLUMN "x" text NOT NULL;', /give the column a default/],
  ['ALTER TABLE "tenants" DROP COLUMN "hold";', /takes away .*-- contract:/],
  ['ALTER TABLE "tenants" RENAME COLUMN "hold" TO "held";', /takes away/],
  ['ALTER TABLE "tenants" ALTER COLUMN "hold" SET NOT NULL;', /takes away/],
  ['DROP TABLE "watch";', /takes away/],
])('%s is refused', (text, reason) => {
  expect(faultsOf(text)).toEqual([expect.stringMatching(reason)]);
});

it.each([
  'CREATE INDEX CONCURRENTLY "x" ON "reports" USING btree ("tenant_id","reason");',
  'CREATE INDEX "x" ON "acme_accounts" USING btree ("email");',
  'CREATE TABLE "reports_of_old" ("tenant_id" uuid NOT NULL);--> statement-breakpoint\nCREATE INDEX "x" ON "reports_of_old" ("tenant_id");',
  'ALTER TABLE "reports" ADD COLUMN "x" boolean DEFAULT false NOT NULL;',
  'ALTER TABLE "reports" ADD CONSTRAINT "x" CHECK (attempts > 0) NOT VALID;',
  'ALTER TABLE "reports" VALIDATE CONSTRAINT "x";',
  '-- contract: 0.2.0 does without it.\nALTER TABLE "tenants" DROP COLUMN "hold";',
])('%s passes', (text) => {
  expect(faultsOf(text)).toEqual([]);
});
