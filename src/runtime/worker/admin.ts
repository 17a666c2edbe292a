import { resolve4, resolve6 } from 'node:dns/promises';
import { within } from '../../deadline.ts';
import { exportsAtOnce, importsAtOnce } from '../../limits.ts';
import { createAddressPolicy, isReachedByWorkers, mayConnect } from '../../outbound/addresses.ts';
import { createAdmin } from '../admin.ts';
import type { Config } from '../config.ts';
import { createConnectionServices } from '../connection-services.ts';
import { composeGateway } from '../gateway.ts';
import { createMoveWork } from '../moves.ts';
import { nodeDigest } from '../node-digest.ts';
import { settings } from '../settings.ts';
import type { WorkerBindings } from './config.ts';
import { readBundledAssets } from './console.ts';
import { credentialExpiry } from './credential-expiry.ts';
import { heldToItsEnd, respondOnWorkers, workerRequestFacts } from './http.ts';
import type { IsolateParts, WorkerListener } from './isolate.ts';

/** The admin listener on Workers: the same app as on Node, with the parts that only this platform has. */

const resolveWithinMs = 2_000;

/** By Cloudflare's resolver: names of a private network are not there, so what is not found may not be reached either. */
async function resolveName(hostname: string): Promise<readonly string[]> {
  const questions = [resolve4, resolve6].map((resolve) => resolve(hostname).catch(() => []));
  return within(Promise.all(questions), resolveWithinMs, () => []).then((answers) => answers.flat());
}

/** The rule of Node, and that a name which only a private network knows is refused: Workers never reach it. */
function reaches({ upstreamAllow }: Pick<Config, 'upstreamAllow'>): (hostname: string) => Promise<boolean> {
  const policy = createAddressPolicy(upstreamAllow);
  return async (hostname) =>
    isReachedByWorkers(policy, hostname) && mayConnect(policy, hostname, resolveName);
}

/** The address that a request came from, among the bindings: the console's own requests have it from the person's. */
const source: unique symbol = Symbol('source address of a request');

const adminFacts: typeof workerRequestFacts = {
  ...workerRequestFacts,
  remoteAddress: (c) => c.env?.[source],
};

function createAdminApp(parts: IsolateParts, bindings: WorkerBindings) {
  const { after, config, log, sql, waker } = parts;
  const gateway = composeGateway(parts);
  // Processes and isolates that remember routes see the change in the database.
  const routesChanged = (): void => undefined;
  const app = createAdmin({
    ...parts,
    gateway,
    connection: createConnectionServices(config, parts, gateway),
    moves: createMoveWork({ sql, relaxed: sql, log, routesChanged, after }),
    assets: readBundledAssets(),
    bulkAtOnce: { imports: importsAtOnce, exports: exportsAtOnce },
    onBehalf: (env) => env as object,
    adminUrl: () => config.adminUrl ?? '',
    certificateExpiry: credentialExpiry(bindings, config),
    digest: nodeDigest,
    ending: undefined,
    facts: adminFacts,
    instanceAuthorities: false,
    mayConnect: reaches(config),
    onChanges: () => undefined,
    oneTimeLink: undefined,
    outage: { degradedSeconds: () => undefined, bindingOf: () => undefined, route: () => undefined },
    pressure: undefined,
    respond: respondOnWorkers,
    routesChanged,
  });
  return {
    fetch: async (...[request, env, context]: Parameters<typeof app.fetch>) => {
      const bound = { ...env, [source]: request.headers.get('cf-connecting-ip') ?? undefined };
      const answer = await app.fetch(request, bound, context);
      waker.wakeAfter(request, answer);
      return heldToItsEnd(answer, after);
    },
  };
}

export const adminListener: WorkerListener = {
  name: 'admin',
  faults: ({ adminUrl }) =>
    adminUrl === undefined
      ? [
          {
            variable: settings.adminUrl.name,
            problem: 'is missing: the admin Worker has to know the address at which browsers reach it',
            example: settings.adminUrl.example,
          },
        ]
      : [],
  origin: ({ adminUrl }) => adminUrl,
  createApp: createAdminApp,
};
