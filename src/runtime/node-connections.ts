import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import ipaddr from 'ipaddr.js';
import { connectionSweepMs, headersTimeoutMs, stalledCallerMs } from '../limits.ts';

/**
 * The connections of one listener: how many there may be, in all and from one address, and how long one may be without a
 * request, from its first byte on, the TLS handshake included. To make room, one that never brought a request is closed,
 * else an idle one of the address that has most; never one with a request under way.
 */

export interface ConnectionBounds {
  readonly inAll: number;
  readonly perAddress: number;
  /** Addresses behind which many callers are, such as a trusted proxy: only the bound in all holds for them. */
  readonly isShared?: (address: string) => boolean;
  /** For tests; those of limits.ts if unsaid: until a first request, and for a caller that takes nothing. */
  readonly headMs?: number;
  readonly stalledMs?: number;
  /** Told when a connection was closed to make room, or refused; not more often than once in ten seconds. */
  readonly onFull?: (what: {
    readonly address: string;
    readonly refused: boolean;
    readonly open: number;
  }) => void;
}

/** The server tells a connection here when a request on it begins and ends. */
export interface Activity {
  begins(): void;
  ends(): void;
}

export interface Connections {
  activityOf(socket: Duplex): Activity;
  /** Closes those that never brought a request. */
  closeUnused(): void;
  /** Lets `put` change who takes connections behind this. */
  behind(put: () => void): void;
}

/** An IPv6 network is one caller: whoever has one has 2^64 addresses (RFC 6177). */
export function callerAddress(remoteAddress: string): string {
  const bare = remoteAddress.replace(/%.*$/, '');
  if (!ipaddr.isValid(bare)) return bare;
  const address = ipaddr.process(bare);
  if (!(address instanceof ipaddr.IPv6)) return address.toString();
  return `${address.parts
    .slice(0, 4)
    .map((part) => part.toString(16))
    .join(':')}::/64`;
}

/** Connections of one address. Sets keep their order: what was put in first has waited longest. */
interface Group {
  readonly address: string;
  size: number;
  readonly unused: Set<Entry>;
  readonly idle: Set<Entry>;
}

const peerOf = (socket: Socket): string => `${socket.remoteAddress} ${socket.remotePort}`;

class Entry implements Activity {
  readonly raw: Socket;
  readonly peer: string;
  readonly group: Group;
  readonly openedMs = performance.now();
  /** The one that requests come on: over TLS, when the handshake is done. */
  visible: Socket | undefined;
  idleSinceMs = 0;
  isLate = false;
  #requests = 0;
  #isClosed = false;
  /** Bytes that had left when it was last looked at, and since when no more did. */
  #leftBytes = 0;
  #stalledSinceMs: number | undefined;

  constructor(raw: Socket, group: Group, isTls: boolean) {
    this.raw = raw;
    this.peer = peerOf(raw);
    this.group = group;
    this.visible = isTls ? undefined : raw;
    group.size += 1;
    group.unused.add(this);
  }
  begins(): void {
    this.#requests += 1;
    if (this.#requests > 1) return;
    this.group.unused.delete(this);
    this.group.idle.delete(this);
  }
  ends(): void {
    this.#requests -= 1;
    if (this.#requests > 0 || this.#isClosed) return;
    this.idleSinceMs = performance.now();
    this.group.idle.add(this);
  }
  /** Once; false: it was closed before. */
  close(): boolean {
    if (this.#isClosed) return false;
    this.#isClosed = true;
    this.group.size -= 1;
    this.group.unused.delete(this);
    this.group.idle.delete(this);
    return true;
  }
  /** Whether its caller has taken nothing for too long of what waits to be sent. */
  isStalled(nowMs: number, stalledMs: number): boolean {
    const { visible } = this;
    if (visible === undefined || visible.writableLength === 0) {
      this.#stalledSinceMs = undefined;
      return false;
    }
    const left = visible.bytesWritten - visible.writableLength;
    if (this.#stalledSinceMs === undefined || left !== this.#leftBytes) this.#stalledSinceMs = nowMs;
    this.#leftBytes = left;
    return nowMs - this.#stalledSinceMs >= stalledMs;
  }
}

const first = <T>(set: ReadonlySet<T>): T | undefined => set.values().next().value;

/** The connection of this kind that has waited longest, in the largest group that has one. */
function ofLargest(groups: Iterable<Group>, kind: 'unused' | 'idle'): Entry | undefined {
  let largest: Group | undefined;
  for (const group of groups)
    if (group[kind].size > 0 && (largest === undefined || group.size > largest.size)) largest = group;
  return largest && first(largest[kind]);
}

const nothing: Activity = { begins: () => undefined, ends: () => undefined };
const toldEveryMs = 10_000;

/** Stands before everything else that listens for connections of this server. */
export function boundConnections(
  server: Server,
  bounds: ConnectionBounds,
  { idleMs, isTls }: { readonly isTls: boolean; readonly idleMs: number },
): Connections {
  const { headMs = headersTimeoutMs, stalledMs = stalledCallerMs } = bounds;
  const groups = new Map<string, Group>();
  const entries = new Set<Entry>();
  const bySocket = new WeakMap<Duplex, Entry>();
  /** Node has no public way from a TLS socket to the one below. */
  const byPeer = new Map<string, Entry>();
  let toldMs = Number.NEGATIVE_INFINITY;

  const tell = (address: string, refused: boolean): void => {
    const nowMs = performance.now();
    if (nowMs - toldMs < toldEveryMs) return;
    toldMs = nowMs;
    bounds.onFull?.({ address, refused, open: entries.size });
  };
  const forget = (entry: Entry): void => {
    if (!entry.close()) return;
    entries.delete(entry);
    // The caller may have come again from the same port.
    if (byPeer.get(entry.peer) === entry) byPeer.delete(entry.peer);
    if (entry.group.size === 0) groups.delete(entry.group.address);
  };
  const close = (entry: Entry): void => {
    forget(entry);
    entry.raw.destroy();
  };
  /** Room for one more, by closing another if need be. */
  const hasRoom = (group: Group): boolean => {
    const isShared = bounds.isShared?.(group.address) === true;
    const isFullHere = !isShared && group.size >= bounds.perAddress;
    if (!isFullHere && entries.size < bounds.inAll) return true;
    const victim = isFullHere
      ? (first(group.unused) ?? first(group.idle))
      : (ofLargest(groups.values(), 'unused') ?? ofLargest(groups.values(), 'idle'));
    tell(group.address, victim === undefined);
    if (victim) close(victim);
    return victim !== undefined;
  };
  const admit = (raw: Socket): boolean => {
    const { remoteAddress } = raw;
    // It is gone already.
    if (remoteAddress === undefined) return false;
    const address = callerAddress(remoteAddress);
    const group = groups.get(address) ?? { address, size: 0, unused: new Set(), idle: new Set() };
    if (!hasRoom(group)) return false;
    // Making room may have emptied it.
    groups.set(address, group);
    const entry = new Entry(raw, group, isTls);
    entries.add(entry);
    if (isTls) byPeer.set(entry.peer, entry);
    bySocket.set(raw, entry);
    raw.once('close', () => forget(entry));
    return true;
  };

  let behind: ((this: Server, socket: Socket) => void)[] = [];
  const enter = (raw: Socket): void => {
    if (admit(raw)) for (const take of behind) take.call(server, raw);
    else raw.destroy();
  };
  const noteSecure = (socket: Socket): void => {
    const entry = byPeer.get(peerOf(socket));
    if (entry === undefined) return;
    entry.visible = socket;
    bySocket.set(socket, entry);
  };
  const standBefore = (): void => {
    behind = server.listeners('connection') as typeof behind;
    server.removeAllListeners('connection');
    server.on('connection', enter);
    server.prependListener('secureConnection', noteSecure);
  };
  standBefore();

  const expire = (entry: Entry): void => {
    const { visible } = entry;
    if (visible === undefined || entry.isLate) {
      close(entry);
      return;
    }
    entry.isLate = true;
    const late = Object.assign(new Error('no request in time'), { code: 'ERR_HTTP_REQUEST_TIMEOUT' });
    if (!server.emit('clientError', late, visible)) close(entry);
  };
  const sweep = setInterval(() => {
    const nowMs = performance.now();
    for (const group of groups.values()) {
      for (const entry of group.unused) {
        if (nowMs - entry.openedMs < headMs) break;
        expire(entry);
      }
      for (const entry of group.idle) {
        if (nowMs - entry.idleSinceMs < idleMs) break;
        close(entry);
      }
    }
    for (const entry of entries) if (entry.isStalled(nowMs, stalledMs)) close(entry);
  }, connectionSweepMs);
  sweep.unref();
  server.once('close', () => clearInterval(sweep));

  return {
    activityOf: (socket) => bySocket.get(socket) ?? nothing,
    closeUnused: () => {
      for (const group of [...groups.values()]) for (const entry of [...group.unused]) close(entry);
    },
    behind: (put) => {
      server.off('connection', enter).off('secureConnection', noteSecure);
      for (const take of behind) server.on('connection', take);
      put();
      standBefore();
    },
  };
}
