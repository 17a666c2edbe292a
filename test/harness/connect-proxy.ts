/** An outgoing proxy that takes CONNECT exactly as RFC 9110, 9.3.6 has it, and nothing else. */

import { type AddressInfo, createServer, connect as dial, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';

export interface ConnectProxy {
  readonly port: number;
  /** Authorities that were asked for, in their order. */
  readonly asked: string[];
  /** What was wrong with requests that were no CONNECT to the letter. */
  readonly faults: string[];
  /** Decides on an authority: a status, or where it leads (default: to itself). */
  decide: (authority: string) => number | { readonly host: string; readonly port: number } | 'silence';
  open(): number;
  close(): Promise<void>;
}

export interface ConnectProxyOptions {
  /** `user:password` that has to be shown. */
  readonly credentials?: string;
  readonly tls?: { readonly cert: string; readonly key: string };
}

const authority = /^(?:[a-z0-9.-]+|\[[0-9a-f:.]+\]):\d{1,5}$/;

export async function startConnectProxy(options: ConnectProxyOptions = {}): Promise<ConnectProxy> {
  const sockets = new Set<Socket>();
  const answer = (socket: Socket, status: number): void => {
    socket.end(`HTTP/1.1 ${status} No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`);
  };
  /** Undefined: it is right to the letter. */
  const faultOf = (head: string, rest: Buffer): string | undefined => {
    const [line = '', ...lines] = head.split('\r\n');
    const target = /^CONNECT (\S+) HTTP\/1\.1$/.exec(line)?.[1] ?? '';
    if (!authority.test(target)) return line;
    const names = lines.map((one) => /^([A-Za-z-]+): \S/.exec(one)?.[1] ?? one);
    const allowed = names.every((name) => name === 'Host' || name === 'Proxy-Authorization');
    if (!allowed || new Set(names).size !== names.length) return head;
    if (!lines.includes(`Host: ${target}`)) return head;
    return rest.length > 0 ? 'bytes before the answer' : undefined;
  };
  const lead = (socket: Socket, { host, port }: { readonly host: string; readonly port: number }): void => {
    const upstream = dial({ host, port });
    sockets.add(upstream);
    upstream.on('error', () => socket.destroy());
    upstream.on('close', () => sockets.delete(upstream));
    socket.on('close', () => upstream.destroy());
    upstream.on('connect', () => {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
      socket.pipe(upstream).pipe(socket);
    });
  };
  const take = (socket: Socket, head: string, rest: Buffer): void => {
    const fault = faultOf(head, rest);
    if (fault !== undefined) {
      proxy.faults.push(fault);
      answer(socket, 400);
      return;
    }
    const proof = /^Proxy-Authorization: (.*)$/m.exec(head.replaceAll('\r', ''))?.[1];
    const wanted = options.credentials && `Basic ${Buffer.from(options.credentials).toString('base64')}`;
    if (proof !== wanted) {
      answer(socket, 407);
      return;
    }
    const target = head.split(' ')[1] ?? '';
    proxy.asked.push(target);
    const decided = proxy.decide(target);
    if (typeof decided === 'number') answer(socket, decided);
    else if (decided !== 'silence') lead(socket, decided);
  };
  const onConnection = (socket: Socket): void => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
    let read = Buffer.alloc(0);
    const onData = (chunk: Buffer): void => {
      read = Buffer.concat([read, chunk]);
      const end = read.indexOf('\r\n\r\n');
      if (end < 0) return;
      socket.off('data', onData);
      take(socket, read.toString('latin1', 0, end), read.subarray(end + 4));
    };
    socket.on('data', onData);
  };
  const server: Server = options.tls
    ? createTlsServer(options.tls, onConnection)
    : createServer(onConnection);
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const proxy: ConnectProxy = {
    port: (server.address() as AddressInfo).port,
    asked: [],
    faults: [],
    decide: (target) => {
      const colon = target.lastIndexOf(':');
      return { host: target.slice(0, colon).replace(/^\[|\]$/g, ''), port: Number(target.slice(colon + 1)) };
    },
    open: () => sockets.size,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((done) => server.close(done));
    },
  };
  return proxy;
}
