import { OpenAPIHono, type z } from '@hono/zod-openapi';
import type { MiddlewareHandler } from 'hono';
import { except } from 'hono/combine';
import { readBody } from '../gateway/body.ts';
import { beginListener, finishListener, type ListenerOptions } from '../gateway/listener.ts';
import { bodyBytes } from '../limits.ts';
import { type FieldError, ProblemError, problem, problemResponse } from '../problems.ts';
import { addAbout } from './about.ts';
import { authenticate } from './access.ts';
import type { AdminApp, AdminEnv, AdminServices } from './context.ts';
import { addDevices } from './devices/devices.ts';
import { addExplain } from './devices/explain.ts';
import { addRouteExport } from './devices/export.ts';
import { addRouteImport, importPath } from './devices/import.ts';
import { addPlacing } from './devices/placing.ts';
import { addTimeline } from './devices/timeline.ts';
import { addInstances } from './instances/instances.ts';
import { addInstanceKeys } from './instances/keys.ts';
import { addReconciliation } from './instances/reconcile.ts';
import { addInstanceRemoval } from './instances/removal.ts';
import { addApiKeys } from './keys/keys.ts';
import { addMoves } from './moves/moves.ts';
import { addMoveOperations } from './moves/operations.ts';
import { addMovePlan } from './moves/plan-move.ts';
import { addReportCauses } from './reports/causes.ts';
import { addReplay } from './reports/replay.ts';
import { addReports } from './reports/reports.ts';
import { addRouteChanges } from './routes/changes.ts';
import { addRouteConflicts } from './routes/conflicts.ts';
import { addConvergence } from './routes/convergence.ts';
import { addRouteDiff } from './routes/diff.ts';
import { addRouteRollback } from './routes/rollback.ts';
import { addStaleRegistrations } from './routes/stale.ts';
import { addConnection } from './tenants/connection.ts';
import { addLeaving } from './tenants/leaving.ts';
import { addMigration } from './tenants/migrate.ts';
import { addTenants } from './tenants/tenants.ts';

/** The admin plane: `/api/v1` with the OpenAPI document made of the schemas that validate (contract section 8). */

const basePath = '/api/v1';

/** Reads the body within its limits before validation does; other media types than JSON are refused. */
const jsonBodies: MiddlewareHandler<AdminEnv> = async (c, next) => {
  if (c.req.raw.body && !['GET', 'HEAD', 'DELETE'].includes(c.req.method)) {
    const bytes = await readBody(c.req.raw, bodyBytes);
    if (
      bytes.byteLength > 0 &&
      !/^application\/([\w.+-]+\+)?json\b/i.test(c.req.header('content-type') ?? '')
    ) {
      throw new ProblemError(problem('unsupported-media-type', 'Send application/json.'));
    }
    c.req.raw = new Request(c.req.raw.url, {
      method: c.req.method,
      headers: c.req.raw.headers,
      body: new Uint8Array(bytes),
    });
  }
  await next();
};

export const openApiInfo = {
  openapi: '3.1.0',
  info: {
    title: 'Espalier admin API',
    version: '1',
    description:
      'Tenants, instances, devices and routes of an Espalier gateway. Errors are RFC 9457 problems.',
    license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
  },
  servers: [{ url: '/' }],
  security: [{ key: [] }],
};

type Issue = z.core.$ZodIssue;

/** Each fault with the field it is about; an unknown member is named itself. */
function fieldErrors(issue: Issue): FieldError[] {
  const code = issue.code.toUpperCase();
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({
      code,
      field: [...issue.path, key].join('.'),
      description: 'is not known here',
    }));
  }
  return [{ code, field: issue.path.length > 0 ? issue.path.join('.') : null, description: issue.message }];
}

function createApi(): AdminApp {
  return new OpenAPIHono<AdminEnv>({
    defaultHook: (result, c) => {
      if (result.success) return undefined;
      const errors = result.error.issues.flatMap(fieldErrors);
      const detail = errors.map((error) => `${error.field ?? 'request'}: ${error.description}`).join('; ');
      return problemResponse(problem('invalid-request', detail, { errors }), c.get('requestId'));
    },
  });
}

/** All operations on an app; without services only to make the document. */
function addOperations(app: AdminApp, services: AdminServices): void {
  app.openAPIRegistry.registerComponent('securitySchemes', 'key', {
    type: 'http',
    scheme: 'bearer',
    description: 'An admin API key, esp_….',
  });
  addAbout(app, services);
  addTenants(app, services);
  addConnection(app, services);
  addLeaving(app, services);
  addMigration(app, services);
  addInstances(app, services);
  addReconciliation(app, services);
  addInstanceRemoval(app, services);
  addInstanceKeys(app, services);
  // Before the devices: to Hono, `import` could be one of them.
  addRouteImport(app, services);
  addRouteExport(app, services);
  addDevices(app, services);
  addPlacing(app, services);
  addExplain(app, services);
  addTimeline(app, services);
  addConvergence(app, services);
  addMovePlan(app, services);
  addMoves(app, services);
  addMoveOperations(app, services);
  addRouteChanges(app, services);
  addRouteDiff(app, services);
  addRouteRollback(app, services);
  addRouteConflicts(app, services);
  addStaleRegistrations(app, services);
  addReports(app, services);
  addReportCauses(app, services);
  addReplay(app, services);
  addApiKeys(app, services);
}

export function createAdminApp(services: AdminServices, options: ListenerOptions): AdminApp {
  const app = createApi();
  beginListener(app, options);
  app.get(`${basePath}/openapi.json`, (c) => c.json(app.getOpenAPI31Document(openApiInfo)));
  app.use(`${basePath}/*`, async (c, next) => {
    c.set('source', services.facts.remoteAddress(c));
    await next();
  });
  app.use(`${basePath}/*`, authenticate(services.sql, services.bootstrapKey));
  app.use(`${basePath}/*`, except(importPath, jsonBodies));
  app.use(`${basePath}/*`, async (c, next) => {
    await next();
    c.header('cache-control', 'no-store');
  });
  addOperations(app, services);
  finishListener(app);
  return app;
}
