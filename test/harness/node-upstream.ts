/** Node's client and raw servers for it, ended after each test. */

import { afterEach } from 'vitest';
import {
  createNodeUpstream,
  type NodeUpstream,
  type NodeUpstreamOptions,
} from '../../src/outbound/node-upstream.ts';
import { type RawServer, startRawServer } from './raw-server.ts';
import { testedSockets } from './sockets.ts';

const anyAddress = { permits: () => true };

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

/** A client that sweeps often, so that tests need not wait for long. */
export function client(options: Partial<NodeUpstreamOptions> = {}): NodeUpstream {
  const made = createNodeUpstream({
    policy: anyAddress,
    timeoutMs: 2_000,
    sweepMs: 10,
    sockets: testedSockets,
    ...options,
  });
  ends.push(made.close);
  return made;
}

export async function server(
  answer: RawServer['answer'],
  tls?: Parameters<typeof startRawServer>[1],
): Promise<RawServer> {
  const made = await startRawServer(answer, tls);
  ends.push(made.close);
  return made;
}

export const always =
  (text: string): RawServer['answer'] =>
  (socket) =>
    socket.write(text, 'latin1');

export const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
