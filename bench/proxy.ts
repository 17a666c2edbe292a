import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { Pool } from 'undici';
import { answerQuestions } from './worker.ts';

/** Forwarding's peer: a reverse proxy that knows nothing of tokens, tenants and routes. */

export interface ProxyPlan {
  readonly certificate: { readonly cert: string; readonly key: string };
  readonly upstream: string;
  /** PEM of the authority behind the upstream's certificate. */
  readonly ca: string;
  readonly connections: number;
  /** Bearer token at the upstream. */
  readonly token: string;
}

answerQuestions(async (plan: ProxyPlan): Promise<{ origin: string }> => {
  const pool = new Pool(plan.upstream, {
    connections: plan.connections,
    pipelining: 1,
    connect: { ca: plan.ca },
  });
  const server = createServer({ ...plan.certificate, minVersion: 'TLSv1.2' }, (incoming, outgoing) => {
    const { method = 'GET', url = '/' } = incoming;
    const headers = { accept: 'application/json', authorization: `Bearer ${plan.token}` };
    pool
      .stream({ method: method as 'GET', path: url, headers }, (answer) => {
        outgoing.writeHead(answer.statusCode, { 'content-type': String(answer.headers['content-type']) });
        return outgoing;
      })
      .catch(() => outgoing.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { origin: `https://localhost:${(server.address() as AddressInfo).port}` };
});
