import {
  BodyInterrupted,
  BodyTooLarge,
  type OutboundFailure,
  type Send,
  wholeAnswerFactor,
} from '../outbound/port.ts';
import { inExchangeSpan } from '../telemetry/http-spans.ts';
import type { JamfAnswer, JamfFailure } from './failure.ts';

export interface ExchangeRequest {
  readonly method: 'GET' | 'POST';
  /** Below the instance's base URL, with its leading slash. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly answerMaxBytes: number;
}

/** One request and its whole answer, whatever the status. */
export type Exchange = (request: ExchangeRequest) => Promise<JamfAnswer | JamfFailure>;

export interface ExchangeOptions {
  readonly send: Send;
  readonly baseUrl: string;
  readonly caCertificate?: string;
  readonly timeoutMs: number;
  readonly randomRequestId: () => string;
}

/** Exchanges with one instance, through the connector that checks its address. */
export function createExchange(options: ExchangeOptions): Exchange {
  const base = options.baseUrl.replace(/\/+$/, '');
  const exchange: Exchange = async (request) => {
    const deadline = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const begun = (): void => {
      timer = setTimeout(() => deadline.abort(), options.timeoutMs * wholeAnswerFactor);
    };
    try {
      const answer = await options.send({
        method: request.method,
        url: `${base}${request.path}`,
        headers: {
          accept: 'application/json',
          'x-request-id': options.randomRequestId(),
          ...request.headers,
        },
        body: request.body,
        timeoutMs: options.timeoutMs,
        addresses: 'checked',
        caCertificate: options.caCertificate,
        signal: deadline.signal,
        begun,
      });
      if (!answer.ok) return failureOfSend(answer);
      const { status, headers } = answer;
      try {
        return { ok: true, status, headers, text: await answer.text(request.answerMaxBytes) };
      } catch (error) {
        return failureOfBody(error, status, deadline.signal.aborted);
      }
    } finally {
      clearTimeout(timer);
    }
  };
  return (request) =>
    inExchangeSpan(
      { peer: 'jamf-pro', method: request.method, url: `${base}${request.path}` },
      () => exchange(request),
      (answer) => ({ status: answer.status, ...(answer.ok ? {} : { failure: answer.failure }) }),
    );
}

function failureOfSend({ failure, detail }: OutboundFailure): JamfFailure {
  switch (failure) {
    case 'refused-address':
    case 'unreachable':
    case 'timeout':
      return { ok: false, failure, detail };
    case 'reset':
      return { ok: false, failure: 'unreachable', detail };
    case 'aborted':
      // The exchange's own deadline is the only one that aborts.
      return { ok: false, failure: 'timeout', detail: 'the answer took too long' };
  }
}

function failureOfBody(error: unknown, status: number, isPastDeadline: boolean): JamfFailure {
  if (error instanceof BodyTooLarge) {
    return {
      ok: false,
      failure: 'invalid-answer',
      status,
      detail: `HTTP ${status} with a body that is too long`,
    };
  }
  if (isPastDeadline) return { ok: false, failure: 'timeout', status, detail: 'the answer took too long' };
  if (error instanceof BodyInterrupted) {
    return {
      ok: false,
      failure: 'unreachable',
      status,
      detail: 'the connection broke in the middle of the answer',
    };
  }
  throw error;
}
