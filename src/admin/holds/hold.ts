import { z } from '@hono/zod-openapi';
import { getTableColumns } from 'drizzle-orm';
import type { ReportContent } from '../../delivery/reports/report.ts';
import { worseningFrom } from '../../delivery/reports/worsening.ts';
import { massChangeExamples } from '../../limits.ts';
import { ProblemError, problem } from '../../problems.ts';
import type { Sql } from '../../store/database.ts';
import { type HoldKey, readHeldByInstance, readHeldExamples } from '../../store/reports/mass-changes.ts';
import { massChangeModes, massChangeStates } from '../../store/row-types.ts';
import { massChanges } from '../../store/schema.ts';
import { resource } from '../resource/resource.ts';
import { instantOrNull, iso, pathId, tenantPath } from '../schemas.ts';

/** A mass change for the worse as the admin API shows it: what happened, what it holds, where that comes from. */

export const holdPath = tenantPath.extend({ holdId: pathId('The mass change') });

const count = z.number().int();

type Numbers = Pick<typeof massChanges.$inferSelect, 'macs' | 'unmanaged' | 'notCompliant'>;

const causeOf = ({ macs, notCompliant, unmanaged }: Numbers): string =>
  `Of ${macs} Macs ${unmanaged} became unmanaged and ${notCompliant} not compliant within an hour.`;

export const hold = resource({
  names: ['Hold', 'Holds'],
  from: massChanges,
  columns: getTableColumns(massChanges),
  fields: ({ beside, column, made }) => ({
    id: column('holdId'),
    tenantId: column('tenantId'),
    state: column('state', {
      schema: z.enum(massChangeStates),
      description:
        'open: nobody has decided. refused: the instances were asked again, and what they still say waits. released: told. ' +
        'over: nothing was held any more.',
      filter: massChangeStates,
      sort: true,
    }),
    mode: column('mode', {
      schema: z.enum(massChangeModes),
      description: 'ESPALIER_MASS_CHANGE when it began.',
    }),
    percent: column('percent', { description: 'ESPALIER_MASS_CHANGE_PERCENT when it began.' }),
    cause: made(z.string(), ['macs', 'unmanaged', 'notCompliant'], causeOf),
    macs: column('macs', { description: 'Macs of the tenant when it began.' }),
    unmanaged: column('unmanaged', { description: 'Those that had become unmanaged within the hour.' }),
    notCompliant: column('notCompliant', { description: 'Those that had become not compliant.' }),
    held: beside(count.openapi({ description: 'Devices whose newest state waits for a decision now.' })),
    openedAt: column('openedAt', { filter: true, sort: true }),
    decidedBy: column('decidedBy'),
    decidedAt: column('decidedAt'),
    reason: column('decisionReason'),
    endedAt: column('endedAt', { sort: true }),
    versionLock: column('version'),
  }),
  table: [
    { field: 'id', whole: true, importance: 1 },
    { field: 'state', importance: 2 },
    { field: 'held', importance: 3 },
    { field: 'cause', importance: 4 },
    { field: 'openedAt', importance: 5 },
    { field: 'decidedBy', title: 'decided by', importance: 6 },
  ],
  sort: 'openedAt:desc',
  key: [massChanges.holdId],
});

export const holdWithExamples = hold.schema
  .extend({
    instances: z
      .array(z.object({ instanceId: z.string(), held: count }))
      .openapi({ description: 'Where the held states come from, most first.' }),
    examples: z
      .array(
        z.object({
          deviceId: z.string(),
          instanceId: z.string(),
          deviceName: z.string(),
          change: z
            .enum(['unmanaged', 'not-compliant'])
            .nullable()
            .openapi({ description: 'What Intune would be told; null: nothing that is worse any more.' }),
          since: instantOrNull,
        }),
      )
      .openapi({ description: `Up to ${massChangeExamples} of the held devices.` }),
  })
  .openapi('HoldWithExamples');

/** Instances and examples of the held reports, as they are now. */
export async function describeHeld(sql: Sql, key: HoldKey) {
  const [instances, rows] = await Promise.all([
    readHeldByInstance(sql, key),
    readHeldExamples(sql, key, massChangeExamples),
  ]);
  const examples = rows.map(({ content, deviceId, dueSince, instanceId, sentContent }) => {
    const { deviceName, managed } = JSON.parse(content) as ReportContent;
    const told = JSON.parse(sentContent ?? '[]') as Parameters<typeof worseningFrom>[0];
    // Whatever is held and still managed is held because it would be told as not compliant.
    const change = worseningFrom(told, { managed, compliant: false }) ?? null;
    return { deviceId, instanceId, deviceName, change, since: iso(dueSince) };
  });
  return { instances: instances.map((one) => ({ ...one })), examples };
}

export const unknownHold = (): ProblemError =>
  new ProblemError(problem('not-found', 'The tenant has no such hold.'));
