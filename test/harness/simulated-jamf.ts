import type { IncomingHttpHeaders } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { Agent, request } from 'undici';
import { createAuthority } from '../../src/simulator/authority.ts';
import { type Clock, createClock } from '../../src/simulator/clock.ts';
import { createDirectory, type Directory } from '../../src/simulator/directory.ts';
import { createFaults } from '../../src/simulator/faults.ts';
import { createFleet, type Fleet } from '../../src/simulator/fleet.ts';
import {
  type JamfInstance,
  type JamfInstanceOptions,
  startJamfInstance,
} from '../../src/simulator/jamf/instance.ts';
import { createJournal, type Journal } from '../../src/simulator/journal.ts';
import { createRandom } from '../../src/simulator/random.ts';

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** The body as JSON; throws when it is none. */
  json(): never;
}

export interface Received {
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** A small world with real TLS sockets for the tests of the Jamf side. */
export interface JamfFixture {
  readonly clock: Clock;
  readonly journal: Journal;
  readonly directory: Directory;
  readonly instances: Map<string, JamfInstance>;
  readonly fleet: Fleet;
  readonly authorityPem: string;
  readonly tenantId: string;
  start(name: string, options?: Partial<JamfInstanceOptions>): Promise<JamfInstance>;
  call(
    instance: JamfInstance,
    path: string,
    options?: { method?: string; token?: string; headers?: Record<string, string>; body?: string },
  ): Promise<Answer>;
  token(instance: JamfInstance, form?: Record<string, string>): Promise<string>;
  /** A receiver of webhooks that answers with these status codes in turn, then 200; -1 never answers. */
  receiver(statuses?: number[]): Promise<{ url: string; received: Received[] }>;
  close(): Promise<void>;
}

export const formType = { 'content-type': 'application/x-www-form-urlencoded' };

export async function createJamfFixture(seed = 7): Promise<JamfFixture> {
  const authority = await createAuthority();
  const certificate = await authority.issue(['localhost', '127.0.0.1']);
  const clock = createClock();
  const random = createRandom(seed);
  const journal = createJournal();
  const world = { clock, faults: createFaults(random), journal };
  const directory = createDirectory(clock.now);
  const tenantId = random.guid();
  directory.addTenant({ tenantId, cloud: 'public', displayName: 'Contoso Ltd' });
  const instances = new Map<string, JamfInstance>();
  const fleet = createFleet({ random, clock, directory, instances });
  const agent = new Agent({ connect: { ca: authority.certificatePem } });
  const servers: Server[] = [];

  const call: JamfFixture['call'] = async (instance, path, options = {}) => {
    const { token } = options;
    const response = await request(`${instance.url}${path}`, {
      dispatcher: agent,
      method: (options.method ?? 'GET') as 'GET',
      headers: { ...(token === undefined ? {} : { authorization: `Bearer ${token}` }), ...options.headers },
      body: options.body,
    });
    const text = await response.body.text();
    return {
      status: response.statusCode,
      headers: response.headers,
      text,
      json: () => JSON.parse(text) as never,
    };
  };

  return {
    clock,
    journal,
    directory,
    instances,
    fleet,
    authorityPem: authority.certificatePem,
    tenantId,
    start: async (name, options = {}) => {
      const instance = await startJamfInstance({ name, world, certificate, random, ...options });
      instances.set(name, instance);
      return instance;
    },
    call,
    token: async (instance, form = {}) => {
      const body = new URLSearchParams({
        grant_type: 'client_credentials',
        client_id: instance.clientId,
        client_secret: instance.tokens.clients.get(instance.clientId)?.clientSecret ?? '',
        ...form,
      });
      const answer = await call(instance, '/api/v1/oauth/token', {
        method: 'POST',
        headers: formType,
        body: body.toString(),
      });
      const { access_token: token } = answer.json() as { access_token: string };
      return token;
    },
    receiver: async (statuses = []) => {
      const received: Received[] = [];
      const server = createServer(
        { cert: certificate.certificatePem, key: certificate.keyPem },
        (req, res) => {
          let body = '';
          req.on('data', (chunk) => {
            body += chunk;
          });
          req.on('end', () => {
            received.push({ headers: req.headers, body });
            const status = statuses.shift() ?? 200;
            if (status > 0) res.writeHead(status).end();
          });
        },
      );
      servers.push(server);
      await new Promise<void>((resolve) => {
        server.listen(0, '127.0.0.1', resolve);
      });
      return { url: `https://localhost:${(server.address() as AddressInfo).port}/hook`, received };
    },
    close: async () => {
      fleet.stop();
      await Promise.all([...instances.values()].map((instance) => instance.close()));
      await agent.close();
      for (const server of servers) {
        server.closeAllConnections();
        server.close();
      }
    },
  };
}
