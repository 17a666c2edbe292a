/** The listeners (contract section 2), bound before there is anything to serve: a taken port is reported at once. */

import type { HttpBindings } from '@hono/node-server';
import { createAnswerHeaders } from '../gateway/answer-headers.ts';
import { type ErrorPages, errorPages } from '../gateway/error-pages.ts';
import { createStartingApp } from '../gateway/starting.ts';
import { acmeConnections, acmeConnectionsPerAddress } from '../limits.ts';
import type { Log } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { createTrustedProxies } from './balancer/trusted-proxies.ts';
import type { Config } from './config.ts';
import type { LaneServices } from './lane/services.ts';
import { type AcmeListener, listenForAcme } from './node-acme-listener.ts';
import type { CertificateSource } from './node-certificate-source.ts';
import type { ConnectionBounds } from './node-connections.ts';
import { type Listener, type ListenOptions, listen } from './node-http.ts';
import { createPreface } from './node-proxy-protocol.ts';
import type { TicketSecret } from './node-ticket-keys.ts';
import { partOfMachine } from './process-shares.ts';
import { type ListenAddress, type Setting, settings } from './settings.ts';
import { StartFault } from './start-fault.ts';

type Fetch = (request: Request, bindings: HttpBindings) => Response | Promise<Response>;

export interface GatewayListener extends Listener {
  /** Answers requests from now on; until then they are answered 503, or it does not listen. */
  serve(fetch: Fetch, lane?: LaneServices): Promise<void>;
}

export interface GatewayListeners {
  readonly data: GatewayListener;
  readonly admin: GatewayListener;
  /** Undefined: no certificate is proved by `http-01`. */
  readonly acme: AcmeListener | undefined;
}

const listenProblems: Readonly<Record<string, string>> = {
  EADDRINUSE: 'is taken by another process',
  EACCES: 'is not this process’s to take: it lacks the right',
  EADDRNOTAVAIL: 'is no address of this machine',
  ENOTFOUND: 'names a host that is not known',
  EAI_AGAIN: 'names a host that cannot be looked up now',
};

function listenFault(
  { name }: Setting<ListenAddress>,
  { host, port }: ListenAddress,
  error: unknown,
): StartFault {
  const { code, message } = error as NodeJS.ErrnoException;
  const words = code === undefined ? undefined : listenProblems[code];
  const address = `${host.includes(':') ? `[${host}]` : host}:${port}`;
  const problem = words === undefined ? `cannot be listened on: ${message}` : `${words} (${code})`;
  return new StartFault(name, `${address} ${problem}`, { cause: error });
}

async function openListener(
  setting: Setting<ListenAddress>,
  pages: ErrorPages,
  options: Omit<ListenOptions, 'fetch' | 'lane'>,
): Promise<GatewayListener> {
  const starting = createStartingApp(pages);
  let fetch: Fetch = (request) => starting.fetch(request);
  try {
    const listener = await listen({ ...options, fetch: (request, bindings) => fetch(request, bindings) });
    return {
      ...listener,
      get origin() {
        return listener.origin;
      },
      serve: async (served, lane) => {
        fetch = served;
        if (lane) listener.addLane(lane);
        await listener.begin().catch((error: unknown) => {
          throw listenFault(setting, options.address, error);
        });
      },
    };
  } catch (error) {
    throw listenFault(setting, options.address, error);
  }
}

interface ListenerParts {
  readonly log: Log;
  readonly metrics: Metrics;
}
type BoundsConfig = Pick<Config, 'connections' | 'connectionsPerAddress'>;

const boundsOf = (config: BoundsConfig, log: Log, listener: string): ConnectionBounds => ({
  inAll: config.connections,
  perAddress: config.connectionsPerAddress,
  onFull: (what) => log.warn('connections.full', { listener, ...what }),
});

/** Opens a listener that the stack closes. */
async function openIn(
  stack: AsyncDisposableStack,
  ...of: Parameters<typeof openListener>
): Promise<GatewayListener> {
  const listener = await openListener(...of);
  stack.defer(() => listener.drain(0));
  return listener;
}

/** For probes and scrapers, which come to it directly. */
export const openOpsListener = (
  config: BoundsConfig & Pick<Config, 'opsListen'>,
  { log }: Pick<ListenerParts, 'log'>,
  stack: AsyncDisposableStack,
): Promise<GatewayListener> =>
  openIn(stack, settings.opsListen, errorPages.ops, {
    address: config.opsListen,
    forProbes: true,
    connections: boundsOf(config, log, 'ops'),
  });

async function openAcmeListener(address: ListenAddress, bounds: ConnectionBounds): Promise<AcmeListener> {
  try {
    return await listenForAcme(address, bounds);
  } catch (error) {
    throw listenFault(settings.acmeListen, address, error);
  }
}

/** Opens those for callers and authorities. When one cannot be opened, the stack closes what is open. */
export async function openListeners(
  config: BoundsConfig &
    Pick<
      Config,
      | 'acme'
      | 'adminListen'
      | 'adminUrl'
      | 'clientCa'
      | 'dataListen'
      | 'proxyProtocol'
      | 'publicUrl'
      | 'trustedProxies'
    >,
  certificates: CertificateSource | undefined,
  {
    isLate,
    log,
    metrics,
    processes,
    ticketSecret,
  }: ListenerParts & {
    readonly ticketSecret: TicketSecret;
    /** Of the machine, which listen at the same addresses. */
    readonly processes: number;
    /** Others serve at the same addresses meanwhile, so this process takes no connection before it can answer. */
    readonly isLate: boolean;
  },
  stack: AsyncDisposableStack,
): Promise<GatewayListeners> {
  const secure = certificates === undefined ? {} : { certificates };
  const ticketsOf = (listener: string) => ({ tickets: { secret: ticketSecret, listener } });
  const trusted = createTrustedProxies(config.trustedProxies);
  const behindBalancers = (listener: string): ConnectionBounds => ({
    ...boundsOf(config, log, listener),
    ...(trusted.isEmpty ? {} : { isShared: trusted.has }),
    ...(config.proxyProtocol === 'off'
      ? {}
      : { preface: createPreface({ listener, trusted, log, metrics }) }),
  });
  const clientCa = config.clientCa === undefined ? {} : { clientCa: config.clientCa };
  const acme =
    config.acme?.challenge === 'http-01'
      ? await openAcmeListener(config.acme.listen, {
          ...behindBalancers('acme'),
          inAll: partOfMachine(acmeConnections, processes),
          perAddress: partOfMachine(acmeConnectionsPerAddress, processes),
        })
      : undefined;
  stack.defer(() => acme?.close());
  return {
    acme,
    data: await openIn(stack, settings.dataListen, errorPages.data, {
      address: config.dataListen,
      isLate,
      ...secure,
      ...clientCa,
      ...ticketsOf('data'),
      connections: behindBalancers('data'),
      answerHeaders: createAnswerHeaders(config.publicUrl),
    }),
    admin: await openIn(stack, settings.adminListen, errorPages.admin, {
      address: config.adminListen,
      isLate,
      ...secure,
      ...ticketsOf('admin'),
      connections: behindBalancers('admin'),
      answerHeaders: createAnswerHeaders(config.adminUrl),
    }),
  };
}
