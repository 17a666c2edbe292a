/** The Node half of the outgoing port: undici, with the address rule applied where the connection is made. */

import { lookup as resolveAll } from 'node:dns/promises';
import type { Readable } from 'node:stream';
import { getCACertificates } from 'node:tls';
import { LRUCache } from 'lru-cache';
import { Agent, buildConnector, type Dispatcher } from 'undici';
import { userAgent } from '../version.ts';
import { type AddressPolicy, isAddressLiteral } from './addresses.ts';
import { AddressRefused, checkedLookup } from './node-addresses.ts';
import { openTunnel, ProxyRefused, type TunnelTarget } from './node-tunnel.ts';
import {
  BodyInterrupted,
  BodyTooLarge,
  type OutboundFailure,
  type OutboundRequest,
  type OutboundResult,
  type Send,
  wholeAnswerFactor,
} from './port.ts';
import type { OutgoingProxies } from './proxies.ts';

/** Sockets to one origin; more requests wait. */
const connectionsPerOrigin = 64;
/** Bound of connections to a host that many tenants share: a bound against a fault of ours, not one that is met. */
const connectionsPerSharedHost = 2_048;
/** Deadline for TCP and TLS. */
const connectTimeoutMs = 10_000;
/** Agents kept for instances with a certificate authority of their own. */
const trustAgents = 256;

/** The addresses of a name as this machine resolves it; none where it does not. */
export const resolveName = async (hostname: string): Promise<readonly string[]> =>
  (await resolveAll(hostname, { all: true }).catch(() => [])).map(({ address }) => address);

const failure = (kind: OutboundFailure['failure'], detail: string): OutboundFailure => ({
  ok: false,
  failure: kind,
  detail,
});

/** Errors of undici and of Node's sockets, told apart by whether the server can have seen the request. */
function explain(error: unknown): OutboundFailure {
  const { name, code, message } = error as { name?: string; code?: string; message?: string };
  if (error instanceof AddressRefused) return failure('refused-address', error.message);
  if (error instanceof ProxyRefused) return failure('unreachable', `${error.code}: ${error.message}`);
  if (name === 'AbortError') return failure('aborted', 'the caller gave up');
  if (code === 'UND_ERR_HEADERS_TIMEOUT' || code === 'UND_ERR_BODY_TIMEOUT') {
    return failure('timeout', 'no answer in time');
  }
  if (code === 'UND_ERR_CONNECT_TIMEOUT') return failure('unreachable', 'no connection in time');
  // It has a code for some of the ways to be no HTTP only; the server had the request before each of them.
  if (name === 'HTTPParserError') return failure('reset', 'the connection broke: the answer is no HTTP');
  if (code === 'UND_ERR_SOCKET' || code === 'ECONNRESET' || code === 'EPIPE') {
    return failure('reset', `the connection broke (${code})`);
  }
  return failure('unreachable', `${code ?? name ?? 'error'}: ${message ?? 'no detail'}`);
}

async function* interruptible(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield* body;
  } catch (error) {
    throw new BodyInterrupted(explain(error).detail);
  }
}

/** The time between two chunks is bounded by undici; a body that drips is bounded here. */
async function readText(body: Readable, limitBytes: number, wholeMs: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  const timer = setTimeout(() => body.destroy(new Error('the answer took too long')), wholeMs);
  try {
    for await (const chunk of interruptible(body)) {
      size += chunk.byteLength;
      if (size > limitBytes) throw new BodyTooLarge(`the answer is larger than ${limitBytes} bytes`);
      chunks.push(chunk);
    }
  } finally {
    clearTimeout(timer);
  }
  return new TextDecoder().decode(Buffer.concat(chunks));
}

export interface NodeSend {
  readonly send: Send;
  close(): Promise<void>;
}

/** Connects through the outgoing proxy where the host is not exempt from it. */
function proxiedConnector(
  direct: buildConnector.connector,
  by: TunnelTarget['by'],
  policy: AddressPolicy,
  proxies: OutgoingProxies,
): buildConnector.connector {
  return (options, callback) => {
    const { hostname } = options;
    const port = Number(options.port || 443);
    const proxy = options.protocol === 'https:' ? proxies.of(hostname, port) : undefined;
    if (proxy === undefined) {
      direct(options, callback);
      return;
    }
    const target = { hostname, port, by: proxies.isNamed(hostname) ? ('name' as const) : by };
    openTunnel(proxy, target, policy, AbortSignal.timeout(connectTimeoutMs)).then(
      (httpSocket) => direct({ ...options, httpSocket }, callback),
      (error: Error) => callback(error, null),
    );
  };
}

/** The agents of undici: which connections a request may share depends on its addresses, trust and host. */
function createAgents(policy: AddressPolicy, proxies: OutgoingProxies | undefined) {
  const agentFor = (
    by: TunnelTarget['by'],
    caCertificate: string | undefined,
    connections = connectionsPerOrigin,
  ): Agent => {
    const options = {
      timeout: connectTimeoutMs,
      minVersion: 'TLSv1.2' as const,
      ...(by === 'name' ? {} : { lookup: checkedLookup(policy) }),
      ...(caCertificate === undefined ? {} : { ca: [...getCACertificates('default'), caCertificate] }),
    };
    return new Agent({
      connections,
      pipelining: 1,
      keepAliveTimeout: 30_000,
      connect:
        proxies === undefined ? options : proxiedConnector(buildConnector(options), by, policy, proxies),
    });
  };
  const configured = agentFor('name', undefined);
  const checked = agentFor('address', undefined);
  // Only hosts that a cloud lists are shared (graph/allowed-hosts.ts).
  const shared = agentFor('checked-name', undefined, connectionsPerSharedHost);
  const withTrust = new LRUCache<string, Agent>({
    max: trustAgents,
    dispose: (agent) => {
      void agent.close();
    },
  });
  return {
    of: (request: OutboundRequest): Agent => {
      if (request.addresses === 'configured') return configured;
      if (request.caCertificate === undefined) return request.sharedHost ? shared : checked;
      let agent = withTrust.get(request.caCertificate);
      if (!agent) {
        agent = agentFor('address', request.caCertificate);
        withTrust.set(request.caCertificate, agent);
      }
      return agent;
    },
    close: async (): Promise<void> => {
      await Promise.all([configured, checked, shared, ...withTrust.values()].map((agent) => agent.destroy()));
    },
  };
}

function headersOf(received: Dispatcher.ResponseData['headers']): Headers {
  const headers = new Headers();
  for (const [name, value] of Object.entries(received)) {
    for (const one of Array.isArray(value) ? value : [value])
      if (one !== undefined) headers.append(name, one);
  }
  return headers;
}

export function createNodeSend(policy: AddressPolicy, proxies?: OutgoingProxies): NodeSend {
  const agents = createAgents(policy, proxies);
  const send: Send = async (request): Promise<OutboundResult> => {
    const url = new URL(request.url);
    if (
      request.addresses === 'checked' &&
      isAddressLiteral(url.hostname) &&
      !policy.permits(url.hostname, url.hostname)
    ) {
      return failure('refused-address', `${url.hostname} is not globally reachable`);
    }
    request.begun?.();
    try {
      const answer = await agents.of(request).request({
        origin: url.origin,
        path: url.pathname + url.search,
        method: request.method as 'GET',
        headers: { 'user-agent': userAgent, ...request.headers },
        body: request.body,
        signal: request.signal,
        headersTimeout: request.timeoutMs,
        bodyTimeout: request.timeoutMs,
      });
      return {
        ok: true,
        status: answer.statusCode,
        headers: headersOf(answer.headers),
        body: interruptible(answer.body),
        text: (limitBytes) => readText(answer.body, limitBytes, request.timeoutMs * wholeAnswerFactor),
        discard: async () => {
          await answer.body.dump().catch(() => undefined);
        },
      };
    } catch (error) {
      return explain(error);
    }
  };
  return { send, close: agents.close };
}
