import { createRoute, z } from '@hono/zod-openapi';
import { parseGuid } from '../../ids.ts';
import { explainRoute } from '../../routing/explain-route.ts';
import { trimmedHistory } from '../../routing/history.ts';
import { tenantOf } from '../access.ts';
import type { AdminApp, AdminServices } from '../context.ts';
import { readTimestamp } from '../filter-values.ts';
import { commonProblems, devicePath, instantOrNull, invalidField, jsonAnswer } from '../schemas.ts';
import { unknownDevice } from './unknown-device.ts';

/** `…/devices/{deviceId}/explain`: why a device is where it is, or was where it was. */

const explain = createRoute({
  method: 'get',
  path: '/api/v1/tenants/{tenantId}/devices/{deviceId}/explain',
  operationId: 'explainDevice',
  tags: ['Devices'],
  summary:
    'Which instance, by which rule, since when, who else claims it, what would change it; now or at a time',
  request: {
    params: devicePath,
    query: z
      .object({
        at: z.string().optional().openapi({
          description:
            'A time that is past, ISO 8601 with its zone; the answer is the one that was given then',
          example: '2026-11-23T08:15:00.000Z',
        }),
      })
      .strict(),
  },
  responses: {
    200: jsonAnswer(
      z
        .object({
          at: instantOrNull,
          instanceId: z.string().nullable(),
          jamfComputerId: z.string().nullable(),
          rule: z.string(),
          since: instantOrNull,
          version: z.number().int().nullable(),
          claims: z.array(
            z.object({
              instanceId: z.string(),
              jamfComputerId: z.string(),
              lastEnrolledDate: instantOrNull,
              lastCheckIn: instantOrNull,
              pinned: z.boolean(),
              state: z.enum(['active', 'resting', 'stale']),
            }),
          ),
          conflict: z.boolean(),
          wouldChange: z.array(z.string()),
          previousDeviceIds: z.array(z.string()),
          nextDeviceId: z.string().nullable(),
        })
        .openapi('Explanation'),
      'Explanation',
    ),
    ...commonProblems,
  },
});

/** Clocks of two machines differ by that much without anybody noticing. */
const clockLeewayMs = 5_000;

function readPast(text: string): Date {
  const time = readTimestamp(text);
  if (time === undefined) {
    throw invalidField(
      'at',
      'must be a date or a time with its zone, such as 2026-11-23T08:15:00Z',
      'INVALID_TIME',
    );
  }
  const at = new Date(time);
  if (at.getTime() > Date.now() + clockLeewayMs) {
    throw invalidField('at', 'is in the future', 'INVALID_TIME');
  }
  return at;
}

export function addExplain(app: AdminApp, { sql }: AdminServices): void {
  app.openapi(explain, async (c) => {
    const { tenantId } = await tenantOf(c, sql);
    const { at: text } = c.req.valid('query');
    const at = text === undefined ? undefined : readPast(text);
    if (at) {
      const { before } = await trimmedHistory(sql, tenantId);
      if (before && at < before) {
        const kept = `is older than the history that is kept: since ${before.toISOString()}`;
        throw invalidField('at', kept, 'TRIMMED');
      }
    }
    const deviceId = parseGuid(c.req.param('deviceId'));
    const explanation = deviceId && (await explainRoute(sql, tenantId, deviceId, at));
    if (!explanation) throw unknownDevice();
    const { claims, previousDeviceIds, wouldChange } = explanation;
    return c.json(
      {
        ...explanation,
        claims: [...claims],
        wouldChange: [...wouldChange],
        previousDeviceIds: [...previousDeviceIds],
      },
      200,
    );
  });
}
