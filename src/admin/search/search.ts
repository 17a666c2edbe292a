import { createRoute, z } from '@hono/zod-openapi';
import { parseGuid } from '../../ids.ts';
import { searchCharacters, searchResults } from '../../limits.ts';
import type { AdminApp, AdminServices } from '../context.ts';
import { commonProblems, jsonAnswer } from '../schemas.ts';
import { findDevices, findInstances, findTenants } from './find.ts';

/** `/search`: tenants, instances and devices by any name or id that people have of them. */

const foundOf = <T extends z.ZodType>(item: T) =>
  z.object({
    more: z.boolean().openapi({ description: `There are more than the ${searchResults} that are shown` }),
    results: z.array(item),
  });

const found = z
  .object({
    tenants: foundOf(
      z.object({ tenantId: z.string(), displayName: z.string(), connectionState: z.string() }),
    ),
    instances: foundOf(
      z.object({
        tenantId: z.string(),
        tenantName: z.string(),
        instanceId: z.string(),
        name: z.string(),
        url: z.string(),
      }),
    ),
    devices: foundOf(
      z.object({
        tenantId: z.string(),
        tenantName: z.string(),
        deviceId: z.string(),
        matched: z.enum(['device-id', 'user', 'udid', 'serial-number', 'computer-name']),
        serialNumber: z.string().nullable(),
        computerName: z.string().nullable(),
        userId: z.string().nullable(),
        instanceId: z.string().nullable(),
        instanceName: z.string().nullable(),
      }),
    ),
  })
  .openapi('SearchResults');

const search = createRoute({
  method: 'get',
  path: '/api/v1/search',
  operationId: 'search',
  tags: ['About'],
  summary: 'Tenants, instances and devices by any name or id',
  request: {
    query: z
      .object({
        q: z.string().trim().min(1).max(searchCharacters).openapi({
          example: 'C02EXAMPLE01',
          description:
            'A part of the name of a tenant or instance, a serial number, the beginning of the name of a computer, or the id of a tenant, instance, device, user or computer (UDID)',
        }),
      })
      .strict(),
  },
  responses: { 200: jsonAnswer(found, 'What was found'), ...commonProblems },
});

const shown = <Row>(rows: readonly Row[]) => ({
  more: rows.length > searchResults,
  results: rows.slice(0, searchResults),
});

export function addSearch(app: AdminApp, { sql }: AdminServices): void {
  app.openapi(search, async (c) => {
    const text = c.req.valid('query').q;
    const asked = { text, guid: parseGuid(text), scope: c.get('operator').tenantIds };
    const [tenants, instances, devices] = await Promise.all([
      findTenants(sql, asked),
      findInstances(sql, asked),
      findDevices(sql, asked),
    ]);
    return c.json({ tenants: shown(tenants), instances: shown(instances), devices: shown(devices) }, 200);
  });
}
