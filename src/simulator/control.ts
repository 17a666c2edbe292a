import { type Context, Hono } from 'hono';
import { z } from 'zod';
import { createFaults, type Fault } from './faults.ts';
import { gatewayEnvironment, gatewayFileNames } from './gateway-settings.ts';
import { type Host, type HostEnv, startHost } from './host.ts';
import { jamfControl } from './jamf/control.ts';
import { fleetControl } from './jamf/fleet-control.ts';
import { createJournal } from './journal.ts';
import { microsoftControl } from './microsoft/control.ts';
import { controlNotFound, readControlBody } from './microsoft/control-body.ts';
import type { World } from './world.ts';

export interface ControlOptions {
  /** 0, the default, picks a free one. */
  readonly port?: number;
  /** Gives the path of a file of the gateway (gateway-settings.ts); default: the bare name. */
  readonly pathOf?: (file: string) => string;
}

const longestDelayMs = 600_000;
const tenYearsMs = 10 * 365 * 86_400_000;

const faultBody = z
  .strictObject({
    service: z
      .string()
      .regex(
        /^(entra|graph|intune|jamf)(:[\w.-]+)?$/,
        'must be entra, graph, intune or jamf, a part after a colon',
      ),
    tenant: z.guid().toLowerCase().optional(),
    method: z.enum(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE']).optional(),
    path: z.string().min(1).optional(),
    status: z.int().min(200).max(599).optional(),
    headers: z.record(z.string().regex(/^[\w!#$%&'*+.^`|~-]+$/), z.string()).optional(),
    body: z.string().optional(),
    contentType: z.string().min(1).optional(),
    delayMs: z.int().min(0).max(longestDelayMs).optional(),
    reset: z.enum(['before', 'after']).optional(),
    times: z.int().min(1).optional(),
    share: z.number().min(0).max(1).optional(),
  })
  .refine(
    ({ delayMs, reset, status }) => status !== undefined || delayMs !== undefined || reset !== undefined,
    {
      message: 'give status, delayMs or reset: this fault would do nothing',
      path: ['status'],
    },
  );

const clockBody = z.strictObject({ advanceMs: z.int().min(0).max(tenYearsMs) });

const journalQuery = z.strictObject({
  service: z.string().min(1).optional(),
  tenant: z.guid().toLowerCase().optional(),
  path: z.string().min(1).optional(),
  since: z.coerce.number().int().min(0).optional(),
});

function faultRoutes({ faults }: World): Hono {
  const app = new Hono();
  app.get('/', (c) => c.json({ faults: faults.list() }));
  app.post('/', async (c) => {
    const input = await readControlBody<Omit<Fault, 'id'>>(c, faultBody);
    return input.ok ? c.json(faults.add(input.value), 201) : input.response;
  });
  app.delete('/', (c) => {
    faults.clear();
    return c.body(null, 204);
  });
  app.delete('/:id', (c) =>
    faults.remove(c.req.param('id')) ? c.body(null, 204) : controlNotFound(c, 'fault'),
  );
  return app;
}

function journalRoutes({ journal }: World): Hono {
  const app = new Hono();
  app.get('/', (c) => {
    const query = journalQuery.safeParse(c.req.query());
    if (query.success) return c.json({ entries: journal.list(query.data) });
    const errors = query.error.issues.flatMap((issue) =>
      issue.code === 'unrecognized_keys'
        ? issue.keys.map((field) => ({ field, message: 'unknown parameter' }))
        : [{ field: issue.path.join('.'), message: issue.message }],
    );
    return c.json({ error: 'invalid', errors }, 400);
  });
  app.delete('/', (c) => {
    journal.clear();
    return c.body(null, 204);
  });
  return app;
}

function clockRoutes({ clock }: World): Hono {
  const app = new Hono();
  const show = (c: Context): Response => {
    const nowMs = clock.now();
    return c.json({ now: new Date(nowMs).toISOString(), nowMs });
  };
  app.get('/', show);
  app.post('/', async (c) => {
    const input = await readControlBody(c, clockBody);
    if (!input.ok) return input.response;
    clock.advance(input.value.advanceMs);
    return show(c);
  });
  return app;
}

const clientSecretVariable = /_CLIENT_SECRET(_|$)/;

/** The facts of the world that a gateway and its callers need; secrets only as the names of their files. */
function describeWorld(world: World, pathOf: (file: string) => string): Record<string, unknown> {
  const environment = Object.entries(gatewayEnvironment(world, pathOf));
  return {
    seed: world.seed,
    publicUrl: world.publicUrl,
    caFile: pathOf(gatewayFileNames.authority),
    clouds: world.cloudsFile(),
    environment: Object.fromEntries(environment.filter(([name]) => !clientSecretVariable.test(name))),
    applications: Object.fromEntries(
      [...world.applications].map(([cloud, { caller, connector, diagnostic, userRegistration }]) => [
        cloud,
        {
          connector: {
            clientId: connector.clientId,
            certificateFile: pathOf(gatewayFileNames.connectorCertificate(cloud)),
            keyFile: pathOf(gatewayFileNames.connectorKey(cloud)),
          },
          userRegistration,
          diagnostic: { clientId: diagnostic.clientId },
          caller: { clientId: caller.clientId, secretFile: pathOf(gatewayFileNames.callerSecret(cloud)) },
        },
      ]),
    ),
    operators: {
      tenantId: world.operators.tenantId,
      cloud: world.operators.cloud,
      clientId: world.operators.clientId,
      people: world.operators.people,
    },
    tenants: world.tenants.map((tenant) => ({
      ...tenant,
      instances: tenant.instances.map((name) => {
        const { clientId, groups, url, version } = world.instance(name);
        return {
          name,
          url,
          clientId,
          secretFile: pathOf(gatewayFileNames.instanceSecret(name)),
          version: version(),
          complianceGroupId: groups.compliance.id,
        };
      }),
    })),
    macs: world.fleet.macs().length,
    devices: world.fleet.truth().length,
  };
}

/**
 * The control API of the whole world, paths below `/control`. Bodies are JSON; a wrong one is a 400 whose
 * `errors[]` names each field.
 */
export function createControl(world: World, { pathOf = (file) => file }: ControlOptions = {}): Hono<HostEnv> {
  const { clouds, directory, fleet, instances } = world;
  const app = new Hono<HostEnv>().basePath('/control');
  app.route('/microsoft', microsoftControl({ clouds, directory }));
  app.route('/jamf', jamfControl({ instances }));
  const hasTenant = (tenantId: string): boolean => directory.tenant(tenantId) !== undefined;
  app.route('/fleet', fleetControl({ fleet, hasTenant, hasInstance: (name) => instances.has(name) }));
  app.route('/faults', faultRoutes(world));
  app.route('/journal', journalRoutes(world));
  app.route('/clock', clockRoutes(world));
  app.get('/world', (c) => c.json(describeWorld(world, pathOf)));
  const outer = new Hono<HostEnv>();
  outer.route('/', app);
  outer.all('*', (c) => controlNotFound(c, 'path'));
  return outer;
}

/** Serves the control API on a TLS port of its own; neither journal nor faults know of it. */
export async function startControl(world: World, options: ControlOptions = {}): Promise<Host> {
  return startHost({
    service: 'control',
    app: createControl(world, options),
    tenantOf: () => undefined,
    certificate: await world.authority.issue(['localhost', '127.0.0.1']),
    port: options.port ?? 0,
    world: { clock: world.clock, faults: createFaults(world.random), journal: createJournal(1) },
  });
}
