/** `npm run test:nodes` runs the tests of lane and forwarding each way; elsewhere they go the way of production. */

import { publicStreams, type SocketAccess } from '../../src/outbound/node-sockets.ts';
import { internalsKnownOf, openInternals } from '../../src/runtime/lane/node-internals.ts';

export const areInternalsKnown = internalsKnownOf.includes(Number.parseInt(process.versions.node, 10));

const { ESPALIER_TESTED_SOCKETS: way } = process.env;
const isPublic = way === 'public' || way === 'off' || !areInternalsKnown;

/** Both ways to a socket, for tests that are cheap enough to take each. */
export const socketModes: readonly (readonly [string, SocketAccess])[] = [
  ['through public streams', publicStreams],
  ...(areInternalsKnown ? [["past Node's streams", openInternals()] as const] : []),
];

export const testedSockets: SocketAccess = isPublic ? publicStreams : openInternals();
/** `ESPALIER_FAST_LANE` of gateways that tests start as processes. */
export const testedLane: 'on' | 'public' | 'off' = way === 'off' ? 'off' : isPublic ? 'public' : 'on';
