import type { OutboundResult, Send } from '../../outbound/port.ts';
import type { Log } from '../../telemetry/log.ts';
import type { ExportTarget } from './export-settings.ts';

/**
 * Sends one signal to its collector, one message at a time. A request never waits for another's message: whoever finds one
 * under way leaves what it has to the next. What a collector does not take stays within the bounds of `Lot`, is tried again
 * at growing distances, and is logged once a minute.
 */

/** What a message holds. It stays where it is until `taken` or `refused` is called. */
export interface Lot {
  readonly message: string;
  taken(): void;
  /** The collector would refuse it again. */
  refused(): void;
}

export interface OtlpSenderParts {
  readonly signal: 'traces' | 'metrics';
  readonly target: ExportTarget;
  /** Undefined: there is nothing to send. */
  readonly take: () => Promise<Lot | undefined>;
  readonly send: Send;
  readonly log: Log;
  readonly now: () => number;
}

const firstRetryMs = 5_000;
const maxRetryMs = 60_000;
const logEveryMs = 60_000;
/** Beside the message: for gauges to be read, and for the platform's clock. */
const marginMs = 5_000;

/** Statuses after which the same message may be taken (OTLP specification, "Retryable Response Codes"), and a timeout. */
const mayBeTakenLater: ReadonlySet<number> = new Set([408, 429, 502, 503, 504]);

async function post({ send, target }: OtlpSenderParts, message: string): Promise<OutboundResult> {
  const answer = await send({
    method: 'POST',
    url: target.url,
    headers: { 'content-type': 'application/json', ...target.headers },
    body: message,
    timeoutMs: target.timeoutMs,
    // The operator wrote it into the configuration.
    addresses: 'configured',
  });
  // Its status is enough, and its connection is to be free again.
  if (answer.ok) await answer.discard().catch(() => undefined);
  return answer;
}

export function createOtlpSender(parts: OtlpSenderParts): () => Promise<void> {
  const { log, now, signal, take, target } = parts;
  let tries = 0;
  /** No message before: one is under way, or the last one was not taken. */
  let notBeforeMs = Number.NEGATIVE_INFINITY;
  let retryMs = firstRetryMs;
  let loggedAtMs = Number.NEGATIVE_INFINITY;

  const failed = (answer: OutboundResult): void => {
    notBeforeMs = now() + retryMs;
    retryMs = Math.min(retryMs * 2, maxRetryMs);
    if (now() - loggedAtMs < logEveryMs) return;
    loggedAtMs = now();
    const { host } = new URL(target.url);
    // The text of a failure may repeat a header of the operator's.
    const reason = answer.ok ? { status: answer.status } : { failure: answer.failure };
    log.warn('telemetry.not-sent', { signal, host, ...reason });
  };

  return async () => {
    if (now() < notBeforeMs) return;
    tries += 1;
    const own = tries;
    // Whatever ends this request in the middle leaves the rest to a later one.
    notBeforeMs = now() + target.timeoutMs + marginMs;
    const lot = await take();
    const answer = lot && (await post(parts, lot.message));
    if (own !== tries) return;
    notBeforeMs = Number.NEGATIVE_INFINITY;
    if (lot === undefined || answer === undefined) return;
    if (answer.ok && answer.status >= 200 && answer.status < 300) {
      retryMs = firstRetryMs;
      return lot.taken();
    }
    if (answer.ok && !mayBeTakenLater.has(answer.status)) lot.refused();
    failed(answer);
  };
}
