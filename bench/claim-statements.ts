import { claimDueComputers } from '../src/delivery/computers/computer-row.ts';
import { claimDueReports } from '../src/delivery/reports/report-row.ts';
import type { Sql } from '../src/store/database.ts';

/** What delivery asks the database for again and again, each as one function. */
export interface Statement {
  readonly name: string;
  readonly table: 'reports' | 'computers';
  /** Runs it as the product does; gives the number of rows. */
  run(sql: Sql, owner: string): Promise<number>;
}

const rowsOfClaim = 100;

export const statements: readonly Statement[] = [
  {
    name: `claim of ${rowsOfClaim} reports`,
    table: 'reports',
    run: async (sql, owner) => (await claimDueReports(sql, owner, rowsOfClaim)).length,
  },
  {
    name: `claim of ${rowsOfClaim} computers`,
    table: 'computers',
    run: async (sql, owner) => (await claimDueComputers(sql, owner, rowsOfClaim)).length,
  },
];
