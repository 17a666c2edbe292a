/**
 * The PROXY protocol before TLS and HTTP (ESPALIER_PROXY_PROTOCOL): each connection begins with a header of a trusted
 * proxy, or it is closed without a word. Whatever came with the header is put back for the server behind.
 */

import type { Socket } from 'node:net';
import type { Log } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { readProxyHeader } from './balancer/proxy-protocol.ts';
import type { TrustedProxies } from './balancer/trusted-proxies.ts';
import type { Preface } from './node-connections.ts';

export interface ProxyProtocolOptions {
  readonly listener: string;
  readonly trusted: TrustedProxies;
  readonly log: Pick<Log, 'warn'>;
  readonly metrics: Pick<Metrics, 'proxyProtocolRefused'>;
}

const reportEveryMs = 10_000;

/** Counts each refusal, and logs one in ten seconds: strangers decide how many there are. */
function createReport({ listener, log, metrics }: ProxyProtocolOptions) {
  let reportedMs = Number.NEGATIVE_INFINITY;
  return (address: string | undefined, reason: string): void => {
    metrics.proxyProtocolRefused(listener, reason);
    const nowMs = performance.now();
    if (nowMs - reportedMs < reportEveryMs) return;
    reportedMs = nowMs;
    log.warn('proxy-protocol.refused', { listener, address, reason });
  };
}

export function createPreface(options: ProxyProtocolOptions): Preface {
  const report = createReport(options);
  return (raw: Socket, done): void => {
    const { remoteAddress } = raw;
    // The peer that resets its connection is owed no answer; without a listener the error would end the process.
    const onError = (): void => undefined;
    raw.on('error', onError);
    if (!options.trusted.has(remoteAddress)) {
      report(remoteAddress, 'untrusted');
      raw.destroy();
      return;
    }
    let read: Buffer = Buffer.alloc(0);
    let hasEnded = false;
    const leave = (): void => {
      raw.off('data', onData).off('end', onEnd).off('close', onClose);
    };
    const onData = (chunk: Buffer): void => {
      read = read.length === 0 ? chunk : Buffer.concat([read, chunk]);
      const header = readProxyHeader(read);
      if (header.kind === 'more') return;
      leave();
      if (header.kind === 'refused') {
        report(remoteAddress, header.reason);
        raw.destroy();
        return;
      }
      raw.pause();
      raw.off('error', onError);
      if (header.bytes < read.length) raw.unshift(read.subarray(header.bytes));
      done({ address: header.source });
    };
    const onEnd = (): void => {
      hasEnded = true;
      raw.destroy();
    };
    // One that is opened and closed again with nothing said is a balancer's probe of the port.
    const onClose = (): void => {
      if (!hasEnded || read.length > 0) report(remoteAddress, 'unfinished');
    };
    raw.on('data', onData).on('end', onEnd).on('close', onClose);
  };
}
