import { leaseComputers } from '../src/store/computers/leases.ts';
import type { Sql } from '../src/store/database.ts';
import type { DueSchedule, StageName } from '../src/store/due-rows.ts';
import { leaseReports } from '../src/store/reports/leases.ts';
import { lookAtSchedules, mendSchedules } from '../src/store/schedules.ts';

/** What delivery asks the database for again and again, each as one function. */
export interface Statement {
  readonly name: string;
  readonly table: 'reports' | 'computers';
  /** Runs it as the product does; gives the number of rows. */
  run(sql: Sql, holder: string): Promise<number>;
}

/** As the stage leases when many schedules are due (src/delivery/stage/schedules.ts). */
const schedulesOfLease = 64;
const rowsOfSchedule = 2;

/** The schedules in turn, as the stage takes them; they are looked up once, while the statement warms up. */
function takeTurns(stage: StageName) {
  let known: readonly DueSchedule[] = [];
  let next = 0;
  return async (sql: Sql): Promise<readonly DueSchedule[]> => {
    if (known.length === 0) known = await lookAtSchedules(sql, stage);
    const taken = Array.from(
      { length: schedulesOfLease },
      (_, index) => known[(next + index) % known.length],
    );
    next += schedulesOfLease;
    return taken.filter((schedule) => schedule !== undefined);
  };
}

const reportSchedules = takeTurns('reports');
const computerSchedules = takeTurns('computers');
const name = (what: string): string => `lease of ${schedulesOfLease} × ${rowsOfSchedule} ${what}`;

export const statements: readonly Statement[] = [
  {
    name: name('reports'),
    table: 'reports',
    run: async (sql, holder) => {
      const schedules = await reportSchedules(sql);
      const shares = schedules.map(({ schedule }) => ({ ...schedule, limit: rowsOfSchedule }));
      return (await leaseReports(sql, holder, shares)).length;
    },
  },
  {
    name: name('computers'),
    table: 'computers',
    run: async (sql, holder) => {
      const schedules = await computerSchedules(sql);
      const shares = schedules.map(({ schedule }) => ({ schedule, limit: rowsOfSchedule }));
      return (await leaseComputers(sql, holder, shares as Parameters<typeof leaseComputers>[2])).length;
    },
  },
  {
    name: 'look at the schedules of reports',
    table: 'reports',
    run: async (sql) => (await lookAtSchedules(sql, 'reports')).length,
  },
  {
    name: 'look at the schedules of computers',
    table: 'computers',
    run: async (sql) => (await lookAtSchedules(sql, 'computers')).length,
  },
  {
    name: 'survey of the schedules of reports',
    table: 'reports',
    run: async (sql) => (await mendSchedules(sql, 'reports')).mended,
  },
  {
    name: 'survey of the schedules of computers',
    table: 'computers',
    run: async (sql) => (await mendSchedules(sql, 'computers')).mended,
  },
];
