import { createRoute, z } from '@hono/zod-openapi';
import type { AdminApp, AdminServices } from './context.ts';
import { commonProblems, jsonAnswer, type ListColumn, listOf } from './schemas.ts';

const version = createRoute({
  method: 'get',
  path: '/api/v1/version',
  operationId: 'getVersion',
  tags: ['About'],
  summary: 'The version of this gateway',
  responses: {
    200: jsonAnswer(z.object({ version: z.string() }).openapi('Version'), 'Version'),
    ...commonProblems,
  },
});

const cloud = z
  .object({
    name: z.string(),
    authority: z.string(),
    graph: z.string(),
    portal: z.string(),
    intuneHosts: z.array(z.string()),
    /** false: no connector application is configured for this cloud. */
    configured: z.boolean(),
  })
  .openapi('Cloud');

const cloudsTable: readonly ListColumn[] = [
  { field: 'name', importance: 1 },
  { field: 'configured', importance: 2 },
  { field: 'authority', importance: 3 },
  { field: 'graph', importance: 4 },
  { field: 'portal', importance: 5 },
];

const clouds = createRoute({
  method: 'get',
  path: '/api/v1/clouds',
  operationId: 'listClouds',
  tags: ['About'],
  summary: 'The Microsoft clouds this gateway knows',
  responses: {
    200: jsonAnswer(listOf(cloud, 'Clouds', cloudsTable), 'Clouds'),
    ...commonProblems,
  },
});

export function addAbout(app: AdminApp, services: AdminServices): void {
  app.openapi(version, (c) => c.json({ version: services.version }, 200));
  app.openapi(clouds, (c) => {
    const results = [...services.clouds.values()].map(({ name, authority, graph, portal, intuneHosts }) => ({
      name,
      authority,
      graph,
      portal,
      intuneHosts: [...intuneHosts],
      configured: services.missingApplication(name) === undefined,
    }));
    return c.json({ totalCount: results.length, results }, 200);
  });
}
