import { connect as dial, type Socket } from 'node:net';

/**
 * Counts what calls of a Worker cost in round trips to the database. A flight is what the Worker sends after it has heard from
 * the server; those before the server is ready open the session. A statement with parameters takes two, one to describe it.
 */
export interface FlightCounter {
  readonly flights: number;
  readonly connections: number;
  /** All that was sent. */
  readonly asked: string;
  /** False: the object that follows versions is cut off. */
  mayFollow: boolean;
  reset(): void;
  /** Leads a connection to the database at this URL. */
  leadTo(url: string): (socket: Socket) => void;
}

/** The connection of the object that follows versions is no call's, and has statements of its own. */
const isFollowing = (startup: Buffer): boolean => startup.includes('espalier-directory');
/** ReadyForQuery, the last of an answer. */
const ready = Buffer.from([0x5a, 0, 0, 0, 5]);

export function createFlightCounter(): FlightCounter {
  let flights = 0;
  let connections = 0;
  let asked = '';
  const counter: FlightCounter = {
    mayFollow: true,
    get flights() {
      // A call that asks anyway looks for moves behind its answer (forwarding/shadow).
      return asked.includes('from moves where shadow') ? flights - 1 : flights;
    },
    get connections() {
      return connections;
    },
    get asked() {
      return asked;
    },
    reset: () => {
      flights = 0;
      connections = 0;
      asked = '';
    },
    leadTo: (url) => (socket) => {
      const { hostname, port } = new URL(url);
      const server = dial(Number(port), hostname);
      let isReady = false;
      let isFlying = false;
      let counts: boolean | undefined;
      server.on('error', () => socket.destroy()).on('close', () => socket.destroy());
      socket.on('close', () => server.destroy());
      server.on('data', (chunk) => {
        isReady ||= chunk.includes(ready);
        isFlying = false;
        socket.write(chunk);
      });
      socket.on('data', (chunk) => {
        if (counts === undefined) {
          counts = !isFollowing(chunk);
          if (counts) connections += 1;
        }
        if (!counts && !counter.mayFollow) {
          socket.destroy();
          return;
        }
        const isEnd = chunk.length === 5 && chunk[0] === 0x58;
        if (counts && isReady && !isFlying && !isEnd) flights += 1;
        isFlying = true;
        if (counts) asked += chunk.toString('latin1');
        server.write(chunk);
      });
    },
  };
  return counter;
}
