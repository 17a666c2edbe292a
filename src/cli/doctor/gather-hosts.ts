/** Looks at hosts: name, port, certificate, clock. */

import { mebibyte } from '../../limits.ts';
import { createAddressPolicy } from '../../outbound/addresses.ts';
import { type ProbeTarget, probe } from '../../outbound/node-probe.ts';
import { type AddressRule, BodyTooLarge, type OutboundResponse } from '../../outbound/port.ts';
import { createOutgoingProxies } from '../../outbound/proxies.ts';
import { userAgent } from '../../version.ts';
import type { DoctorContext } from './context.ts';
import { type HostAnswer, type HostKind, judgeAnswer, judgeClock, judgeProbe } from './judge-network.ts';
import { about, anyFailed, type Line } from './line.ts';
import type { macHosts } from './macs.ts';

export interface HostToProbe {
  /** Address at which a request without credentials gets some answer with a Date. */
  readonly url: string;
  readonly kind: HostKind;
  /** Service of the host, for people: `Microsoft Graph`, `instance berlin`. */
  readonly service?: string;
  readonly rule: AddressRule;
  readonly caCertificate?: string;
}

const portOf = ({ port, protocol }: URL): number => Number(port || (protocol === 'http:' ? 80 : 443));

export const hostSubject = (url: string): string => {
  const parsed = new URL(url);
  return `${parsed.hostname}:${portOf(parsed)}`;
};

/** The host with its service, so that a line says what is down and not only where. */
const serviceSubject = ({ service, url }: HostToProbe): string =>
  service === undefined ? hostSubject(url) : `${hostSubject(url)} (${service})`;

/** HTTP's Date has whole seconds, cut off: half of one is what it is off on average. */
const halfSecondMs = 500;

const answerMaxBytes = mebibyte;

/** The documents of Entra and Graph are JSON; of an instance the calls below show who answers. */
async function readAnswer(response: OutboundResponse, kind: HostKind): Promise<HostAnswer> {
  const { status } = response;
  if (kind !== 'microsoft' || status < 200 || status > 299 || status === 204) {
    await response.discard();
    return { kind: 'http', status };
  }
  try {
    const text = await response.text(answerMaxBytes);
    return { kind: 'http', status, isJson: isObject(text) };
  } catch (error) {
    return error instanceof BodyTooLarge
      ? { kind: 'http', status, isJson: false }
      : { kind: 'http', status, brokenOff: true };
  }
}

function isObject(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null;
  } catch {
    return false;
  }
}

interface Asked {
  readonly answer: HostAnswer;
  /** Theirs less ours; undefined without a Date. */
  readonly skewMs?: number;
}

async function ask({ inspection, now, timeoutMs }: DoctorContext, host: HostToProbe): Promise<Asked> {
  const askedAt = now();
  const response = await inspection.send({
    method: 'GET',
    url: host.url,
    headers: { accept: 'application/json', 'user-agent': userAgent },
    timeoutMs,
    addresses: host.rule,
    ...(host.caCertificate === undefined ? {} : { caCertificate: host.caCertificate }),
    signal: AbortSignal.timeout(timeoutMs * 2),
  });
  if (!response.ok) return { answer: { kind: 'none', failure: response.failure, detail: response.detail } };
  const middle = (askedAt + now()) / 2;
  const date = Date.parse(response.headers.get('date') ?? '');
  const answer = await readAnswer(response, host.kind);
  return Number.isNaN(date) ? { answer } : { answer, skewMs: date + halfSecondMs - middle };
}

const isPublic = ({ kind }: HostToProbe): boolean => kind === 'public' || kind === 'public-local';

/** The clock is judged by an answer alone: where none came, the service is what is wrong. */
function askedLines(subject: string, host: HostToProbe, { answer, skewMs }: Asked): Line[] {
  // The server at our own address has a check of its own.
  const answered = isPublic(host) ? [] : [judgeAnswer(subject, host.kind, answer)];
  const hasClock = answer.kind === 'http' && (skewMs !== undefined || !anyFailed(answered));
  return hasClock ? [...answered, judgeClock(subject, skewMs)] : answered;
}

export interface HostProbe {
  readonly lines: readonly Line[];
  /** Some HTTP answer came, be it an error: who has credentials may learn more. */
  readonly answered: boolean;
}

/** As the gateway's own requests go out (outbound/node.ts). */
function wayOut({ config }: DoctorContext, host: HostToProbe): Pick<ProbeTarget, 'through'> {
  const url = new URL(host.url);
  const proxies = createOutgoingProxies(config);
  const proxy = proxies?.of(url.hostname, portOf(url));
  if (proxies === undefined || proxy === undefined) return {};
  const isLeft = host.rule === 'configured' || proxies.isNamed(url.hostname);
  return { through: { proxy, by: isLeft ? 'name' : host.kind === 'microsoft' ? 'checked-name' : 'address' } };
}

/** A request is made only where it may go: the rest of the lines says why not. */
export async function probeHost(context: DoctorContext, host: HostToProbe): Promise<HostProbe> {
  const { config, now, timeoutMs } = context;
  const url = new URL(host.url);
  const probed = await probe({
    host: url.hostname,
    port: portOf(url),
    timeoutMs,
    ...wayOut(context, host),
    ...(isPublic(host) ? { policy: createAddressPolicy([]), anyAddress: true } : {}),
    ...(host.rule === 'checked' ? { policy: createAddressPolicy(config.upstreamAllow) } : {}),
    ...(host.caCertificate === undefined ? {} : { caCertificate: host.caCertificate }),
  });
  const subject = serviceSubject(host);
  const lines = judgeProbe(subject, host.kind, probed, now());
  const trusted = probed.tls?.ok === true && probed.tls.refusal === undefined && probed.tls.fitsHost;
  if (!trusted || anyFailed(lines)) return { lines, answered: false };
  const asked = await ask(context, host);
  return {
    lines: [...lines, ...askedLines(subject, host, asked)],
    answered: asked.answer.kind === 'http',
  };
}

/** A page that only Espalier answers so: a problem with its types. */
export async function publicUrlLine(context: DoctorContext, hostLines: readonly Line[]): Promise<Line> {
  const { config, inspection, timeoutMs } = context;
  const say = about('public-url', config.publicUrl);
  if (!hostLines.some(({ check, status }) => check === 'host.tls' && status !== 'fail'))
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
    const untrusted = hostLines.some(({ check, status }) => check === 'host.tls' && status !== 'ok');
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
