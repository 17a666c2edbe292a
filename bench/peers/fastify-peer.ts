import { readFileSync } from 'node:fs';
import httpProxy from '@fastify/http-proxy';
import jwt from '@fastify/jwt';
import Fastify, { type FastifyRequest } from 'fastify';
import type { FastifyPlan } from './fastify-plan.ts';

/**
 * @fastify/http-proxy behind @fastify/jwt, a process of its own: `node fastify-peer.ts plan.json`. Verified tokens are
 * cached (fast-jwt's own cache, by digest), routes are a Map, nothing is logged.
 */

interface Target {
  readonly origin: string;
  readonly path: string;
  readonly authorization: string;
}

const plan = JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')) as FastifyPlan;

/** `tenant/devices/device instance:computer` to a line, as in HAProxy's map. */
function readRoutes(file: string): Map<string, string> {
  const routes = new Map<string, string>();
  const text = readFileSync(file, 'latin1');
  for (let at = 0; at < text.length; ) {
    const end = text.indexOf('\n', at);
    const space = text.indexOf(' ', at);
    routes.set(text.slice(at, space), text.slice(space + 1, end));
    at = end + 1;
  }
  return routes;
}

const routes = readRoutes(plan.routes);
const targets = new WeakMap<FastifyRequest, Target>();

function targetOf(tenantId: string, deviceId: string): Target | undefined {
  const route = routes.get(`${tenantId}/devices/${deviceId}`);
  if (route === undefined) return undefined;
  const colon = route.indexOf(':');
  const instance = plan.instances[route.slice(0, colon)];
  if (instance === undefined) return undefined;
  return {
    origin: instance.origin,
    path: `/api/v1/conditional-access/device-compliance-information/computer/${route.slice(colon + 1)}`,
    authorization: `Bearer ${instance.token}`,
  };
}

interface Claims {
  readonly tid: string;
  readonly roles?: readonly string[];
}

const app = Fastify({ logger: false, keepAliveTimeout: 3_600_000 });
await app.register(jwt, {
  secret: { public: plan.publicKey },
  verify: {
    algorithms: ['RS256'],
    allowedIss: plan.issuer,
    allowedAud: plan.audience,
    clockTolerance: 60_000,
    cache: 10_000,
  },
});
await app.register(httpProxy, {
  prefix: '/t/:tenantId/devices/:deviceId/compliance',
  upstream: '',
  httpMethods: ['GET'],
  disableRequestLogging: true,
  undici: { connections: 64, pipelining: 1, keepAliveTimeout: 3_600_000 },
  // Each computer has an address of its own: the cache of parsed ones would only miss.
  disableCache: true,
  preHandler: async (request, reply) => {
    const { deviceId, tenantId } = request.params as { tenantId: string; deviceId: string };
    const claims = await request.jwtVerify<Claims>();
    if (claims.tid !== tenantId) return reply.code(403).send({ status: 403 });
    if (!claims.roles?.includes('Device.Read')) return reply.code(403).send({ status: 403 });
    const target = targetOf(tenantId, deviceId);
    if (target === undefined) return reply.code(404).send({ status: 404 });
    targets.set(request, target);
    return undefined;
  },
  handler: (request, reply, _destination, options) => reply.from(targets.get(request)?.path, options),
  replyOptions: {
    getUpstream: (request) => targets.get(request as FastifyRequest)?.origin ?? '',
    rewriteRequestHeaders: (request, headers) => ({
      ...headers,
      authorization: targets.get(request as FastifyRequest)?.authorization,
    }),
  },
});
await app.listen({ host: '127.0.0.1', port: plan.port });
