import { createRoute, z } from '@hono/zod-openapi';
import { and, eq } from 'drizzle-orm';
import { type Erased, erasePerson } from '../../delivery/gone/erase-person.ts';
import { ProblemError, problem } from '../../problems.ts';
import type { Sql } from '../../store/database.ts';
import { unnoted } from '../../store/history.ts';
import { history } from '../../store/operator-schema.ts';
import { query } from '../../store/query.ts';
import { withoutTrace } from '../../store/retry.ts';
import { requireRole, tenantOf } from '../access.ts';
import type { AdminApp, AdminServices } from '../context.ts';
import { changing, nothingChanged } from '../recording.ts';
import {
  commonProblems,
  dryRunFlag,
  guid,
  invalidField,
  jsonAnswer,
  problemAnswer,
  tenantPath,
} from '../schemas.ts';

/** `…/erasures`: erasing what is kept of one person, with a proof in the history. */

/** A person has a few registrations; a longer list is a fleet's, which `ESPALIER_GONE_DAYS` is for. */
const devicesOfPerson = 100;

const counts = z.object({
  reports: z.number().int(),
  computers: z.number().int(),
  links: z.number().int(),
  directory: z.number().int(),
  timeline: z.number().int(),
  claimHistory: z.number().int(),
  routeChanges: z.number().int(),
  moveDevices: z.number().int(),
});

const erase = createRoute({
  method: 'post',
  path: '/api/v1/tenants/{tenantId}/erasures',
  operationId: 'erasePerson',
  tags: ['Devices'],
  summary:
    "Erase what is kept of one person's Macs that are gone; the history keeps a proof and stays verifiable",
  request: {
    params: tenantPath,
    query: z
      .object({
        force: z
          .enum(['true', 'false'])
          .default('false')
          .openapi({ description: 'true: also before Intune has confirmed that the Macs are not managed' }),
        'dry-run': dryRunFlag,
      })
      .strict(),
    body: {
      required: true,
      content: {
        'application/json': {
          schema: z
            .object({
              userId: guid.optional().openapi({ description: "The user's object id in Entra." }),
              deviceIds: z.array(guid).max(devicesOfPerson).default([]).openapi({
                description: "Device ids in Entra, beside those that are known to be the user's.",
              }),
            })
            .strict()
            .openapi('ErasureRequest'),
        },
      },
    },
  },
  responses: {
    200: jsonAnswer(
      z
        .object({
          dryRun: z.boolean(),
          deviceIds: z.array(z.string()),
          rows: counts,
          historyEntries: z.number().int().openapi({ description: 'Entries whose texts were erased.' }),
          proof: z
            .object({ erasureId: z.string(), sequence: z.number().int(), hash: z.string() })
            .optional()
            .openapi({ description: 'The entry of the history that proves it.' }),
        })
        .openapi('Erasure'),
      'What was erased; a dry run: what would be',
    ),
    ...commonProblems,
    409: problemAnswer('conflict'),
    415: problemAnswer('unsupported-media-type'),
  },
});

const conflict = (detail: string): ProblemError => new ProblemError(problem('conflict', detail));

const shownComputers = 10;

/** The erasure, or the problem that says what has to be done first. */
function requireErased(erased: Erased) {
  if (erased.kind === 'erased') return erased.erasure;
  if (erased.kind === 'unknown')
    throw new ProblemError(problem('not-found', 'Nothing is kept of this person here.'));
  if (erased.kind === 'unconfirmed')
    throw conflict(
      `Intune has not confirmed yet that ${erased.deviceIds.length} of the devices are not managed: wait for it, or erase with force.`,
    );
  const named = erased.by
    .slice(0, shownComputers)
    .map(({ instanceId, jamfComputerId }) => `computer ${jamfComputerId} of instance ${instanceId}`);
  throw conflict(
    `What is erased would be back with the next read: ${[...new Set(named)].join(', ')} still names a device of this person. Delete it in Jamf Pro, or remove the registration there, first.`,
  );
}

async function proofOf(sql: Sql, tenantId: string, erasureId: string) {
  const [entry] = await query(sql)
    .select({ sequence: history.sequence, hash: history.hash })
    .from(history)
    .where(
      and(eq(history.tenantId, tenantId), eq(history.objectKind, 'erasure'), eq(history.objectId, erasureId)),
    );
  return entry === undefined ? {} : { proof: { erasureId, ...entry } };
}

export function addErasures(app: AdminApp, { sql }: AdminServices): void {
  app.openapi(erase, async (c) => {
    const { tenantId } = await tenantOf(c, sql);
    requireRole(c, 'admin');
    const person = { userId: undefined, ...c.req.valid('json') };
    if (person.userId === undefined && person.deviceIds.length === 0)
      throw invalidField('userId', 'name the user, the devices, or both');
    const { 'dry-run': dryRun, force } = c.req.valid('query');
    const erasing = { tenantId, person, force: force === 'true' };
    if (dryRun === 'true') {
      const would = await withoutTrace(sql, (tx) => erasePerson(tx, { ...erasing, note: unnoted }));
      nothingChanged(c);
      const { deviceIds, entries, rows } = requireErased(would);
      return c.json({ dryRun: true, deviceIds: [...deviceIds], rows, historyEntries: entries.length }, 200);
    }
    const { deviceIds, entries, erasureId, rows } = await changing(c, sql, async (tx, note) =>
      requireErased(await erasePerson(tx, { ...erasing, note })),
    );
    const proof = await proofOf(sql, tenantId, erasureId);
    return c.json(
      { dryRun: false, deviceIds: [...deviceIds], rows, historyEntries: entries.length, ...proof },
      200,
    );
  });
}
