/**
 * The connections of one listener: how many there may be, in all and from one address, and how long one may be without a
 * request, from its first byte on, the TLS handshake included. To make room, one that never brought a request is closed,
 * else an idle one of the address that has most; never one with a request under way.
 */

import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import ipaddr from 'ipaddr.js';
import { ChurningMap, ChurningSet } from '../churn.ts';
import { connectionSweepMs, headersTimeoutMs, lingerMs, stalledCallerMs } from '../limits.ts';
import { onFirstBytes } from './node-first-bytes.ts';
import { acmeProtocol } from './node-tls.ts';

export interface ConnectionBounds {
  readonly inAll: number;
  readonly perAddress: number;
  /** Addresses of balancers, behind which many callers are: only the bound in all holds for them. */
  readonly isShared?: (address: string) => boolean;
  /** Comes before everything else that a connection brings (ESPALIER_PROXY_PROTOCOL). */
  readonly preface?: Preface;
  /** Times for tests; default: those of limits.ts. Until a first request, and for a caller that takes nothing. */
  readonly headMs?: number;
  readonly stalledMs?: number;
  /** Reports that a connection was closed to make room, or refused; not more often than once in ten seconds. */
  readonly onFull?: (what: {
    readonly address: string;
    readonly refused: boolean;
    readonly open: number;
  }) => void;
}

/** The caller of a connection that a balancer passes on. */
export interface RelayedCaller {
  /** Undefined: the balancer does not say; the connection is counted for the balancer. */
  readonly address: string | undefined;
}

/**
 * Takes what the balancer says before the caller's first byte, then calls back with the connection paused and what was
 * read too much put back. A connection without that is destroyed.
 */
export type Preface = (raw: Socket, done: (caller: RelayedCaller) => void) => void;

/** Callers by the socket that requests come on; a connection without a preface is not in here. */
const relayed = new WeakMap<Duplex, RelayedCaller>();
export const relayedCaller = (socket: Duplex): RelayedCaller | undefined => relayed.get(socket);

/** The server reports here when a request on a connection begins and ends. */
export interface Activity {
  begins(): void;
  ends(): void;
}

export interface Connections {
  activityOf(socket: Duplex): Activity;
  /** Closes those that never brought a request. */
  closeUnused(): void;
  /**
   * Ends those that are between two requests. They are read for a moment longer, because a caller that has just sent another
   * one should see an orderly end, after which it may send that again, and no reset. Resolves when they are closed.
   */
  endIdle(): Promise<void>;
  /** Lets `put` change who takes connections behind this. */
  behind(put: () => void): void;
}

/** An IPv6 network is one caller: it has 2^64 addresses (RFC 6177). */
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
  readonly key: string;
  /** A balancer's own: it has no bound. */
  readonly isShared: boolean;
  size: number;
  readonly unused: ChurningSet<Entry>;
  readonly idle: ChurningSet<Entry>;
}

const peerOf = (socket: Socket): string => `${socket.remoteAddress} ${socket.remotePort}`;

class Entry implements Activity {
  readonly raw: Socket;
  readonly peer: string;
  group: Group;
  /** What the balancer said of it. */
  caller: RelayedCaller | undefined;
  readonly openedMs = performance.now();
  /** The one that requests come on: over TLS, when the handshake is done. */
  visible: Socket | undefined;
  idleSinceMs = 0;
  isLate = false;
  /** Bytes that had come when it became idle. */
  #readBytes = 0;
  #requests = 0;
  #isClosed = false;
  /** Bytes that had left when it was last looked at, and since when no more did. */
  #leftBytes = 0;
  #stalledSinceMs: number | undefined;

  constructor(raw: Socket, group: Group) {
    this.raw = raw;
    this.peer = peerOf(raw);
    this.group = group;
    group.size += 1;
    group.unused.add(this);
  }
  /** Before its first request. */
  moveTo(group: Group): void {
    this.group.size -= 1;
    this.group.unused.delete(this);
    this.group = group;
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
    this.#readBytes = this.visible?.bytesRead ?? 0;
    this.group.idle.add(this);
  }
  /** Resolves when it is closed; at once where another request has begun to come. */
  endIdle(): Promise<void> {
    const { raw, visible } = this;
    if (visible === undefined || visible.destroyed || visible.bytesRead !== this.#readBytes)
      return Promise.resolve();
    visible.end();
    return new Promise((resolve) => {
      const late = setTimeout(() => raw.destroy(), lingerMs);
      raw.once('close', () => {
        clearTimeout(late);
        resolve();
      });
    });
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
  /** True where its caller has taken nothing for too long of what waits to be sent. */
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

/** The connection of this kind that has waited longest, in the largest group that has one. */
function ofLargest(groups: Iterable<Group>, kind: 'unused' | 'idle'): Entry | undefined {
  let largest: Group | undefined;
  for (const group of groups)
    if (group[kind].size > 0 && (largest === undefined || group.size > largest.size)) largest = group;
  return largest?.[kind].first;
}

const reportEveryMs = 10_000;

/** The connections that are open, by address, and who makes room for whom. */
class ConnectionTable {
  readonly #bounds: ConnectionBounds;
  readonly #groups = new ChurningMap<string, Group>();
  readonly #entries = new ChurningSet<Entry>();
  #reportedMs = Number.NEGATIVE_INFINITY;

  constructor(bounds: ConnectionBounds) {
    this.#bounds = bounds;
  }
  /** Undefined: there is no room for it, or it is gone already. */
  admit(raw: Socket): Entry | undefined {
    const { remoteAddress } = raw;
    if (remoteAddress === undefined) return undefined;
    const group = this.#groupOf(remoteAddress);
    const isFullHere = this.#isFull(group);
    if ((isFullHere || this.#entries.size >= this.#bounds.inAll) && !this.#makeRoom(group, isFullHere))
      return undefined;
    // Making room may have emptied it.
    this.#groups.set(group.key, group);
    const entry = new Entry(raw, group);
    this.#entries.add(entry);
    raw.once('close', () => this.#forget(entry));
    return entry;
  }
  /** Counts a connection for the caller that the balancer named; false: there is no room for one more of that caller. */
  move(entry: Entry, address: string): boolean {
    const before = entry.group;
    const group = this.#groupOf(address);
    if (group === before) return true;
    if (this.#isFull(group) && !this.#makeRoom(group, true)) return false;
    this.#groups.set(group.key, group);
    entry.moveTo(group);
    if (before.size === 0) this.#groups.delete(before.key);
    return true;
  }
  close(entry: Entry): void {
    this.#forget(entry);
    entry.raw.destroy();
  }
  closeUnused(): void {
    for (const { unused } of [...this.#groups.values()]) for (const entry of [...unused]) this.close(entry);
  }
  async endIdle(): Promise<void> {
    await Promise.all(
      [...this.#groups.values()].flatMap(({ idle }) => [...idle].map((one) => one.endIdle())),
    );
  }
  /** Closes what has been idle or stalled for too long; gives those without a first request in time to `onLate`. */
  sweep(idleMs: number, onLate: (entry: Entry) => void): void {
    const { headMs = headersTimeoutMs, stalledMs = stalledCallerMs } = this.#bounds;
    const nowMs = performance.now();
    for (const { idle, unused } of this.#groups.values()) {
      // Not in the order of their opening: a balancer may have been slow to name the caller of one.
      for (const entry of unused) if (nowMs - entry.openedMs >= headMs) onLate(entry);
      for (const entry of idle) {
        if (nowMs - entry.idleSinceMs < idleMs) break;
        this.close(entry);
      }
    }
    for (const entry of this.#entries) if (entry.isStalled(nowMs, stalledMs)) this.close(entry);
  }

  #forget(entry: Entry): void {
    if (!entry.close()) return;
    this.#entries.delete(entry);
    if (entry.group.size === 0) this.#groups.delete(entry.group.key);
  }
  /** That of an address; one that has no connection yet is not kept. */
  #groupOf(remoteAddress: string): Group {
    const isShared = this.#bounds.isShared?.(remoteAddress) === true;
    const address = isShared ? remoteAddress : callerAddress(remoteAddress);
    const key = isShared ? `balancer ${address}` : address;
    return (
      this.#groups.get(key) ?? {
        address,
        key,
        isShared,
        size: 0,
        unused: new ChurningSet(),
        idle: new ChurningSet(),
      }
    );
  }
  #isFull({ isShared, size }: Group): boolean {
    return !isShared && size >= this.#bounds.perAddress;
  }
  /** Closes another connection; false: there is none that may be closed. */
  #makeRoom(group: Group, isFullHere: boolean): boolean {
    const groups = this.#groups;
    const victim = isFullHere
      ? (group.unused.first ?? group.idle.first)
      : (ofLargest(groups.values(), 'unused') ?? ofLargest(groups.values(), 'idle'));
    this.#report(group.address, victim === undefined);
    if (victim) this.close(victim);
    return victim !== undefined;
  }
  #report(address: string, refused: boolean): void {
    const nowMs = performance.now();
    if (nowMs - this.#reportedMs < reportEveryMs) return;
    this.#reportedMs = nowMs;
    this.#bounds.onFull?.({ address, refused, open: this.#entries.size });
  }
}

/** Node has no public way from a TLS socket to the one below, but both have the same peer. */
class SocketEntries {
  readonly #bySocket = new WeakMap<Duplex, Entry>();
  readonly #byPeer = new ChurningMap<string, Entry>();

  add(entry: Entry, isTls: boolean): void {
    this.#bySocket.set(entry.raw, entry);
    if (!isTls) {
      entry.visible = entry.raw;
      if (entry.caller) relayed.set(entry.raw, entry.caller);
      return;
    }
    this.#byPeer.set(entry.peer, entry);
    entry.raw.once('close', () => {
      // The caller may have come again from the same port.
      if (this.#byPeer.get(entry.peer) === entry) this.#byPeer.delete(entry.peer);
    });
  }
  addSecure(socket: Socket): void {
    const entry = this.#byPeer.get(peerOf(socket));
    if (entry === undefined) return;
    entry.visible = socket;
    this.#bySocket.set(socket, entry);
    if (entry.caller) relayed.set(socket, entry.caller);
  }
  activityOf(socket: Duplex): Activity {
    return this.#bySocket.get(socket) ?? noActivity;
  }
}

const noActivity: Activity = { begins: () => undefined, ends: () => undefined };

/** Stands before everything else that listens for connections of this server. */
export function boundConnections(
  server: Server,
  bounds: ConnectionBounds,
  { idleMs, isTls }: { readonly isTls: boolean; readonly idleMs: number },
): Connections {
  const table = new ConnectionTable(bounds);
  const entries = new SocketEntries();
  type Take = (this: Server, socket: Socket) => void;
  let behind: Take[] = [];
  let behindSecure: Take[] = [];
  const pass = (entry: Entry): void => {
    entries.add(entry, isTls);
    const take = (): void => {
      for (const one of behind) one.call(server, entry.raw);
    };
    if (isTls) onFirstBytes(entry.raw, take);
    else take();
  };
  const enter = (raw: Socket): void => {
    const entry = table.admit(raw);
    if (entry === undefined) raw.destroy();
    else if (bounds.preface === undefined) pass(entry);
    else
      bounds.preface(raw, (caller) => {
        if (caller.address !== undefined && !table.move(entry, caller.address)) {
          raw.destroy();
          return;
        }
        entry.caller = caller;
        pass(entry);
        // TLS reads below the stream, and takes what was put back out of it by itself.
        if (!isTls) raw.resume();
      });
  };
  const enterSecure = (socket: Socket): void => {
    entries.addSecure(socket);
    // The validation of a name is over with the handshake, and nothing is said on its connection (RFC 8737, 3).
    if ((socket as TLSSocket).alpnProtocol === acmeProtocol) socket.destroySoon();
    else for (const take of behindSecure) take.call(server, socket);
  };
  const standBefore = (): void => {
    behind = server.listeners('connection') as Take[];
    behindSecure = server.listeners('secureConnection') as Take[];
    server.removeAllListeners('connection').removeAllListeners('secureConnection');
    server.on('connection', enter).on('secureConnection', enterSecure);
  };
  standBefore();

  const onLate = (entry: Entry): void => {
    const { visible } = entry;
    if (visible === undefined || entry.isLate) {
      table.close(entry);
      return;
    }
    entry.isLate = true;
    const late = Object.assign(new Error('no request in time'), { code: 'ERR_HTTP_REQUEST_TIMEOUT' });
    if (!server.emit('clientError', late, visible)) table.close(entry);
  };
  const sweep = setInterval(() => table.sweep(idleMs, onLate), connectionSweepMs);
  sweep.unref();
  server.once('close', () => clearInterval(sweep));

  return {
    activityOf: (socket) => entries.activityOf(socket),
    closeUnused: () => table.closeUnused(),
    endIdle: () => table.endIdle(),
    behind: (put) => {
      server.off('connection', enter).off('secureConnection', enterSecure);
      for (const take of behind) server.on('connection', take);
      for (const take of behindSecure) server.on('secureConnection', take);
      put();
      standBefore();
    },
  };
}
