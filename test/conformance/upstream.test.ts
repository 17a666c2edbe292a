import { createNodeUpstream } from '../../src/outbound/node-upstream.ts';
import { withCircuit } from '../../src/outbound/upstream-circuit.ts';
import { createWorkersUpstream } from '../../src/outbound/workers-upstream.ts';
import { socketModes } from '../harness/sockets.ts';
import { describeUpstream } from './upstream.conformance.ts';

for (const [way, sockets] of socketModes)
  describeUpstream(`Node's own client ${way}`, {
    open: (options) => {
      const node = createNodeUpstream({ ...options, sockets, sweepMs: 20 });
      return { upstream: node.upstream, close: node.close };
    },
  });

describeUpstream('the client made of fetch', {
  open: ({ policy, timeoutMs }) => ({
    upstream: createWorkersUpstream(policy, timeoutMs),
    close: () => undefined,
  }),
});

describeUpstream('a client within a circuit', {
  open: (options) => {
    const node = createNodeUpstream({ ...options, sweepMs: 20 });
    return { upstream: withCircuit(node.upstream, () => performance.now()), close: node.close };
  },
});
