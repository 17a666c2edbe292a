import { publicStreams, type SocketAccess } from '../../src/outbound/node-sockets.ts';
import { internalsKnownOf, openInternals } from '../../src/runtime/lane/node-internals.ts';

/** `npm run test:nodes` runs the tests of lane and forwarding each way; elsewhere they go the way of production. */

export const areInternalsKnown = internalsKnownOf.includes(Number.parseInt(process.versions.node, 10));

const isPublic = process.env.ESPALIER_TESTED_SOCKETS === 'public' || !areInternalsKnown;

export const testedSockets: SocketAccess = isPublic ? publicStreams : openInternals();
/** `ESPALIER_FAST_LANE` of gateways that tests start as processes. */
export const testedLane: 'on' | 'public' = isPublic ? 'public' : 'on';
