import { createAddressPolicy } from '../../outbound/addresses.ts';
import { probe } from '../../outbound/node-probe.ts';
import type { AddressRule } from '../../outbound/port.ts';
import { userAgent } from '../../version.ts';
import type { DoctorContext } from './context.ts';
import { type HostKind, judgeClock, judgeProbe } from './judge-network.ts';
import { about, anyFailed, type Line } from './line.ts';
import type { macHosts } from './macs.ts';

/** Looks at hosts: name, port, certificate, clock. */

export interface HostToLookAt {
  /** Where a request without credentials gets some answer with a Date. */
  readonly url: string;
  readonly kind: HostKind;
  readonly rule: AddressRule;
  readonly caCertificate?: string;
}

const portOf = ({ port, protocol }: URL): number => Number(port || (protocol === 'http:' ? 80 : 443));

export const hostSubject = (url: string): string => {
  const parsed = new URL(url);
  return `${parsed.hostname}:${portOf(parsed)}`;
};

/** HTTP's Date has whole seconds, cut off: half of one is what it is off on average. */
const halfSecondMs = 500;

async function clockLine({ inspection, now, timeoutMs }: DoctorContext, host: HostToLookAt): Promise<Line> {
  const subject = hostSubject(host.url);
  const askedAt = now();
  const answer = await inspection.send({
    method: 'GET',
    url: host.url,
    headers: { 'user-agent': userAgent },
    timeoutMs,
    addresses: host.rule,
    ...(host.caCertificate === undefined ? {} : { caCertificate: host.caCertificate }),
    signal: AbortSignal.timeout(timeoutMs * 2),
  });
  if (!answer.ok) {
    const found = `no answer to a request: ${answer.failure}`;
    return about('host.clock', subject).warn(
      found,
      'Look at the server, and at proxies on the way.',
      'configuration',
    );
  }
  const middle = (askedAt + now()) / 2;
  await answer.discard();
  const date = Date.parse(answer.headers.get('date') ?? '');
  return judgeClock(subject, Number.isNaN(date) ? undefined : date + halfSecondMs - middle);
}

/** The clock is asked for only where a request may go: the rest of the lines says why not. */
export async function hostLines(context: DoctorContext, host: HostToLookAt): Promise<Line[]> {
  const { config, now, timeoutMs } = context;
  const url = new URL(host.url);
  const isPublic = host.kind === 'public' || host.kind === 'public-local';
  const looked = await probe({
    host: url.hostname,
    port: portOf(url),
    timeoutMs,
    ...(isPublic ? { policy: createAddressPolicy([]), anyAddress: true } : {}),
    ...(host.rule === 'checked' ? { policy: createAddressPolicy(config.upstreamAllow) } : {}),
    ...(host.caCertificate === undefined ? {} : { caCertificate: host.caCertificate }),
  });
  const lines = judgeProbe(hostSubject(host.url), host.kind, looked, now());
  const trusted = looked.tls?.ok === true && looked.tls.refusal === undefined && looked.tls.fitsHost;
  return trusted && !anyFailed(lines) ? [...lines, await clockLine(context, host)] : lines;
}

/** A page that only Espalier answers so: a problem with its types. */
export async function publicUrlLine(context: DoctorContext, hostLooked: readonly Line[]): Promise<Line> {
  const { config, inspection, timeoutMs } = context;
  const say = about('public-url', config.publicUrl);
  if (!hostLooked.some(({ check, status }) => check === 'host.tls' && status !== 'fail'))
    return say.warn('not tried: the host cannot be reached', 'Mend that first.', 'configuration');
  const answer = await inspection.send({
    method: 'GET',
    url: `${config.publicUrl}/`,
    headers: { accept: 'application/json', 'user-agent': userAgent },
    timeoutMs,
    addresses: 'configured',
    signal: AbortSignal.timeout(timeoutMs * 2),
  });
  if (!answer.ok) {
    const untrusted = hostLooked.some(({ check, status }) => check === 'host.tls' && status !== 'ok');
    return untrusted
      ? say.warn('not tried: its certificate is not trusted here', 'Mend that first.', 'configuration')
      : say.fail(
          `no answer: ${answer.failure}`,
          'Look at the gateway, and at what stands in front of it.',
          'configuration',
        );
  }
  const text = await answer.text(65_536).catch(() => '');
  if (text.includes('https://espalier.dev/problems/'))
    return say.ok('answered by Espalier, as this machine sees it; look once from outside too');
  return say.fail(
    `something else answers (HTTP ${answer.status})`,
    'Point the name, the balancer or the path of ESPALIER_PUBLIC_URL at the data listener.',
    'configuration',
  );
}

export async function macLine(
  { timeoutMs }: DoctorContext,
  host: ReturnType<typeof macHosts>[number],
): Promise<Line> {
  const say = about('macs.host', `${host.host}:${host.port}`);
  const { name, port } = await probe({ host: host.host, port: host.port, timeoutMs }, false);
  if (port?.ok) return say.ok(`open (${host.for})`);
  const code = !name.ok ? name.code : port === undefined ? 'no address' : port.code;
  return say.warn(
    `not reached from this machine (${code}; ${host.for})`,
    "Macs need it; this machine does not. Look from a Mac's network.",
    'configuration',
  );
}
