import { OpenAPIHono, type z } from '@hono/zod-openapi';
import type { Context, MiddlewareHandler } from 'hono';
import { except } from 'hono/combine';
import { matchedRoutes } from 'hono/route';
import { createAttempts } from '../gateway/attempts.ts';
import { decodeText } from '../gateway/body.ts';
import { errorPages, showErrorsAsPages } from '../gateway/error-pages.ts';
import {
  beginListener,
  finishListener,
  type ListenerOptions,
  refuseOtherMethods,
} from '../gateway/listener.ts';
import { inRequestSpan } from '../gateway/request-span.ts';
import { parseGuid } from '../ids.ts';
import { adminBodyStructure, bodyBytes, operatorRequests } from '../limits.ts';
import { type FieldError, ProblemError, problem, problemResponse } from '../problems.ts';
import type { Log } from '../telemetry/log.ts';
import { structureFault } from '../untrusted/bounded-json.ts';
import { addAbout } from './about.ts';
import { authenticate, hasRole, requireRole, requireTenant } from './access.ts';
import { addAlertTargets } from './alerts/read-targets.ts';
import { addAlertTargetWrites } from './alerts/write-targets.ts';
import { addApiDocs } from './api-docs/api-docs.ts';
import { addApprovals } from './approvals/approvals.ts';
import { exceptApproved } from './approvals/approved-request.ts';
import { addApprovalDecisions } from './approvals/decide.ts';
import type { AdminApp, AdminEnv, AdminServices } from './context.ts';
import { addComparison } from './devices/comparison.ts';
import { addDevices } from './devices/devices.ts';
import { addErasures } from './devices/erase.ts';
import { addExplain } from './devices/explain.ts';
import { addRouteExport } from './devices/export.ts';
import { addRouteImport } from './devices/import.ts';
import { addPlacing } from './devices/placing.ts';
import { addRefresh } from './devices/refresh.ts';
import { addTimeline } from './devices/timeline.ts';
import { entityTags } from './entity-tags.ts';
import { addEvents } from './events/events.ts';
import { addHistory } from './history/history.ts';
import { addHistoryVerify } from './history/verify.ts';
import { addHoldDecisions } from './holds/decide.ts';
import { addHolds } from './holds/holds.ts';
import { idempotency } from './idempotency.ts';
import { inTime } from './in-time.ts';
import { addInstances } from './instances/instances.ts';
import { addInstanceKeys } from './instances/keys.ts';
import { addReconciliation } from './instances/reconcile.ts';
import { addInstanceRemoval } from './instances/removal.ts';
import { addInstanceVerbs } from './instances/verbs.ts';
import { addApiKeys } from './keys/keys.ts';
import { addMoves } from './moves/moves.ts';
import { addMoveOperations } from './moves/operations.ts';
import { addMovePlan } from './moves/plan-move.ts';
import { createOperatorShare } from './operator-share.ts';
import { isSafeMethod } from './operators/csrf.ts';
import { createEntraBindings } from './operators/entra-bindings.ts';
import { createKeyOperators } from './operators/key-operators.ts';
import { addOperators } from './operators/operators.ts';
import { createLiveSessions } from './operators/sessions.ts';
import { answerFromMemory } from './outage/remembered.ts';
import { addOverview } from './overview/overview.ts';
import { takeReason } from './reason.ts';
import { noticeUnrecorded } from './recording.ts';
import { addReportCauses } from './reports/causes.ts';
import { addReplay } from './reports/replay.ts';
import { addReports } from './reports/reports.ts';
import { requiredRole } from './roles.ts';
import { addRouteChanges } from './routes/changes.ts';
import { addRouteConflicts } from './routes/conflicts.ts';
import { addConvergence } from './routes/convergence.ts';
import { addRouteDiff } from './routes/diff.ts';
import { addRouteRollback } from './routes/rollback.ts';
import { addStaleRegistrations } from './routes/stale.ts';
import { addSearch } from './search/search.ts';
import { addSession } from './session/session.ts';
import { addSessions } from './sessions/sessions.ts';
import { addSettings } from './settings/settings.ts';
import { shedHeavyReads } from './shedding.ts';
import { addSignIn } from './sign-in/sign-in.ts';
import { addConfirmation } from './tenants/confirmation.ts';
import { addConnection } from './tenants/connection.ts';
import { addConsents } from './tenants/consents.ts';
import { addDelivery } from './tenants/delivery.ts';
import { addLeaving } from './tenants/leaving.ts';
import { addMigration } from './tenants/migrate.ts';
import { addMoveIn } from './tenants/move-in.ts';
import { addMoveOut } from './tenants/move-out.ts';
import { addRelay } from './tenants/relay.ts';
import { addTenants } from './tenants/tenants.ts';
import { refuseBadTextInBody, refuseBadTextInQuery } from './texts.ts';
import { hasReadBody, streamsItsBody } from './writes.ts';

/** The admin plane: `/api/v1` with the OpenAPI document made of the schemas that validate (contract section 8). */

const basePath = '/api/v1';

/** Looked at before anything makes objects of the body: what comes after walks through them recursively. */
function refuseHugeStructure(text: string): void {
  const fault = structureFault(text, adminBodyStructure);
  if (fault === undefined) return;
  const { depth, nodes } = adminBodyStructure;
  const description = `a body may be nested ${depth} deep and hold ${nodes} elements and members`;
  throw new ProblemError(
    problem('payload-too-large', description, { errors: [{ code: fault, field: null, description }] }),
  );
}

/** Reads the body within its limits before validation does; other media types than JSON are refused. */
const jsonBodies =
  ({ facts }: Pick<AdminServices, 'facts'>): MiddlewareHandler<AdminEnv> =>
  async (c, next) => {
    if (hasReadBody(c.req.method) && facts.body(c)) {
      const bytes = await facts.readBody(c, bodyBytes);
      if (
        bytes.byteLength > 0 &&
        !/^application\/([\w.+-]+\+)?json\b/i.test(c.req.header('content-type') ?? '')
      ) {
        throw new ProblemError(problem('unsupported-media-type', 'Send application/json.'));
      }
      // A body that is not UTF-8 is refused: it would be stored with other characters than were sent.
      refuseHugeStructure(decodeText(bytes));
      c.req.raw = new Request(c.req.raw.url, {
        method: c.req.method,
        headers: c.req.raw.headers,
        body: new Uint8Array(bytes),
      });
    }
    await next();
  };

/**
 * The role comes before the body is judged: who may not do it at all is told that, and not what to write better. A tenant
 * that the operator does not see is not found before either. The handlers ask for the role too, for they need the operator.
 */
const roleFirst =
  ({ sql }: Pick<AdminServices, 'sql'>): MiddlewareHandler<AdminEnv> =>
  async (c, next) => {
    // A path that takes other methods ends in its own refusal, which is registered for all of them.
    const route = matchedRoutes(c).find(({ path }) => !path.includes('*'));
    if (route !== undefined && route.method !== 'ALL') {
      const template = route.path.replaceAll(/:(\w+)/g, '{$1}');
      const role = requiredRole(route.method.toLowerCase(), template);
      if (!hasRole(c.get('operator'), role)) {
        const tenantId = tenantInPath.exec(c.req.path)?.[1];
        if (tenantId !== undefined) await requireTenant(c, sql, tenantId);
        requireRole(c, role);
      }
    }
    await next();
  };

const tenantInPath = /^\/api\/v1\/tenants\/([^/]+)/;

/** Of operators only: a stranger could fill what is exported. */
const inSpan: MiddlewareHandler<AdminEnv> = async (c, next) => {
  const attributes = () => ({ 'espalier.tenant': parseGuid(tenantInPath.exec(c.req.path)?.[1]) });
  await inRequestSpan(c, attributes, async () => {
    await next();
    return c.res;
  });
};

/** An import, or a tenant that moves in, reads its own body. Of the same path's other methods the body is bounded as everywhere. */
const takesStream = (c: Context): boolean => streamsItsBody(c.req.method, c.req.path);

/** Upper bound on the field errors in one answer: a body may have a fault in each of its members. */
const maxFieldErrors = 100;

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
      const errors = result.error.issues.flatMap(fieldErrors).slice(0, maxFieldErrors);
      const detail = errors.map((error) => `${error.field ?? 'request'}: ${error.description}`).join('; ');
      return problemResponse(problem('invalid-request', detail, { errors }), c.get('requestId'));
    },
  });
}

/** All operations on an app; without services only to make the document. */
function addOperations(app: AdminApp, services: AdminServices, log: Log): void {
  app.openAPIRegistry.registerComponent('securitySchemes', 'key', {
    type: 'http',
    scheme: 'bearer',
    description: 'An admin API key, esp_….',
  });
  app.openAPIRegistry.registerComponent('securitySchemes', 'entra', {
    type: 'http',
    scheme: 'bearer',
    bearerFormat: 'JWT',
    description: "An access token of Entra for the operators' application, with one of its app roles.",
  });
  app.openAPIRegistry.registerComponent('securitySchemes', 'session', {
    type: 'apiKey',
    in: 'cookie',
    name: '__Host-espalier',
    description: 'The session of a browser that signed in; a write also needs the header x-espalier-csrf.',
  });
  addAbout(app, services);
  addSession(app);
  addSessions(app, services);
  addSettings(app, services);
  addOverview(app, services);
  addSearch(app, services);
  addEvents(app, services);
  addTenants(app, services);
  addDelivery(app, services);
  addConnection(app, services);
  addConfirmation(app, services);
  addConsents(app, services);
  addLeaving(app, services);
  addMigration(app, services);
  addMoveOut(app, services);
  addRelay(app, services);
  addMoveIn(app, services);
  addInstances(app, services);
  addInstanceVerbs(app, services);
  addReconciliation(app, services);
  addInstanceRemoval(app, services);
  addInstanceKeys(app, services);
  // Before the devices: to Hono, `import` could be one of them.
  addRouteImport(app, services);
  addRouteExport(app, services);
  refuseOtherMethods(app);
  addDevices(app, services);
  addPlacing(app, services);
  addExplain(app, services);
  addTimeline(app, services);
  addComparison(app, services);
  addRefresh(app, services);
  addErasures(app, services);
  addConvergence(app, services);
  addMovePlan(app, services);
  addMoves(app, services);
  addMoveOperations(app, services);
  addHolds(app, services);
  addHoldDecisions(app, services);
  addRouteChanges(app, services);
  addRouteDiff(app, services);
  addRouteRollback(app, services);
  addRouteConflicts(app, services);
  addStaleRegistrations(app, services);
  addReports(app, services);
  addReportCauses(app, services);
  addReplay(app, services);
  addApiKeys(app, services);
  addOperators(app, services);
  addAlertTargets(app, services);
  addAlertTargetWrites(app, services);
  addApprovals(app, services);
  const { bootstrapKey, sealer, sql } = services;
  addApprovalDecisions(app, { bootstrapKey, sealer, sql, log });
  addHistory(app, services);
  addHistoryVerify(app, services);
}

/** `addMore` adds what else the listener serves, before every path learns which methods it does not take. */
export function createAdminApp(
  services: AdminServices,
  options: ListenerOptions,
  addMore: (app: AdminApp) => unknown = () => undefined,
): AdminApp {
  const app = createApi();
  beginListener(app, options);
  app.use('*', showErrorsAsPages({ ...errorPages.admin, tellsOfStore: true }));
  addApiDocs(app);
  const share = createOperatorShare(
    services.sharing,
    services.rateLimits,
    Math.ceil(operatorRequests / services.processes),
  );
  app.use('*', share.begin);
  const attempts = createAttempts('admin', services.rateLimits);
  const keys = createKeyOperators(services);
  const bindings = createEntraBindings(services.sql, services.outage);
  const credentials = { keys, bindings, live: createLiveSessions(services.sql, services.sharing) };
  const authentication = authenticate(services, credentials, attempts);
  app.use(
    `${basePath}/*`,
    exceptApproved((c, next) => {
      c.set('source', services.facts.remoteAddress(c));
      return authentication(c, next);
    }),
    inSpan,
  );
  app.use(`${basePath}/*`, share.take, roleFirst(services), refuseBadTextInQuery, shedHeavyReads(services));
  app.use(`${basePath}/*`, except(takesStream, jsonBodies(services), refuseBadTextInBody, inTime(services)));
  // Any write may have ended a credential, also by deleting what it belongs to: it opens nothing here from this answer on.
  app.use(`${basePath}/*`, async (c, next) => {
    await next();
    if (isSafeMethod(c.req.method)) return;
    keys.forgetAll();
    services.instanceKeys.forgetAll();
  });
  app.use(`${basePath}/*`, entityTags);
  app.use(`${basePath}/*`, idempotency({ ...services, log: options.log }));
  // Innermost: an answer that is given again was recorded the first time.
  app.use(`${basePath}/*`, takeReason, noticeUnrecorded(options.log), answerFromMemory(services));
  addSignIn(app, services, { attempts, ...credentials, log: options.log });
  addOperations(app, services, options.log);
  addMore(app);
  finishListener(app);
  return app;
}
