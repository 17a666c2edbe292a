import { claimComputers, surveyComputers } from '../src/store/computers/leases.ts';
import type { Sql } from '../src/store/database.ts';
import type { DueLane } from '../src/store/due-rows.ts';
import { claimReports, surveyReports } from '../src/store/reports/leases.ts';

/** What delivery asks the database for again and again, each as one function. */
export interface Statement {
  readonly name: string;
  readonly table: 'reports' | 'computers';
  /** Runs it as the product does; gives the number of rows. */
  run(sql: Sql, owner: string): Promise<number>;
}

/** As the stage claims when many lanes are due (src/delivery/stage/schedules.ts). */
const lanesOfClaim = 64;
const rowsOfLane = 2;

/** The lanes in turn, as the stage takes them; they are looked up once, while the statement warms up. */
function takeTurns(survey: (sql: Sql) => Promise<readonly DueLane[]>) {
  let known: readonly DueLane[] = [];
  let next = 0;
  return async (sql: Sql): Promise<readonly DueLane[]> => {
    if (known.length === 0) known = await survey(sql);
    const taken = Array.from({ length: lanesOfClaim }, (_, index) => known[(next + index) % known.length]);
    next += lanesOfClaim;
    return taken.filter((lane) => lane !== undefined);
  };
}

const reportLanes = takeTurns(surveyReports);
const computerLanes = takeTurns(surveyComputers);
const name = (what: string): string => `claim of ${lanesOfClaim} × ${rowsOfLane} ${what}`;

export const statements: readonly Statement[] = [
  {
    name: name('reports'),
    table: 'reports',
    run: async (sql, owner) => {
      const lanes = await reportLanes(sql);
      const shares = lanes.map(({ lane }) => ({ ...lane, limit: rowsOfLane }));
      return (await claimReports(sql, owner, shares)).length;
    },
  },
  {
    name: name('computers'),
    table: 'computers',
    run: async (sql, owner) => {
      const lanes = await computerLanes(sql);
      const shares = lanes.map(({ lane }) => ({ lane, limit: rowsOfLane }));
      return (await claimComputers(sql, owner, shares as Parameters<typeof claimComputers>[2])).length;
    },
  },
  {
    name: 'survey of the lanes of reports',
    table: 'reports',
    run: async (sql) => (await surveyReports(sql)).length,
  },
  {
    name: 'survey of the lanes of computers',
    table: 'computers',
    run: async (sql) => (await surveyComputers(sql)).length,
  },
];
