/**
 * The Workers half of the outgoing port: `fetch`. The platform itself keeps a Worker from private networks and
 * resolves names, so only literal addresses are checked here.
 */

import { userAgent } from '../version.ts';
import { type AddressPolicy, isAddressLiteral } from './addresses.ts';
import {
  BodyInterrupted,
  BodyTooLarge,
  type OutboundFailure,
  type OutboundResult,
  type Send,
  wholeAnswerFactor,
} from './port.ts';

const failure = (kind: OutboundFailure['failure'], detail: string): OutboundFailure => ({
  ok: false,
  failure: kind,
  detail,
});

/** Aborts when nothing was heard for a while: until the headers, and again between two chunks. */
interface SilenceLimit {
  readonly signal: AbortSignal;
  heard(): void;
  end(): void;
}

function createSilenceLimit(ms: number): SilenceLimit {
  const controller = new AbortController();
  const start = () => setTimeout(() => controller.abort(), ms);
  let timer = start();
  return {
    signal: controller.signal,
    heard: () => {
      clearTimeout(timer);
      timer = start();
    },
    end: () => clearTimeout(timer),
  };
}

async function* chunksOf(response: Response, silence: SilenceLimit): AsyncGenerator<Uint8Array> {
  if (!response.body) {
    silence.end();
    return;
  }
  const reader = response.body.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      silence.heard();
      yield value;
    }
  } catch (error) {
    throw new BodyInterrupted(String(error));
  } finally {
    silence.end();
    // A reader that stops in the middle must not leave its connection open.
    reader.cancel().catch(() => undefined);
    reader.releaseLock();
  }
}

async function readText(
  response: Response,
  silence: SilenceLimit,
  limitBytes: number,
  wholeMs: number,
): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  let size = 0;
  const endMs = performance.now() + wholeMs;
  for await (const chunk of chunksOf(response, silence)) {
    size += chunk.byteLength;
    if (performance.now() > endMs) throw new BodyInterrupted('the answer took too long');
    if (size > limitBytes) throw new BodyTooLarge(`the answer is larger than ${limitBytes} bytes`);
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}

export function createWorkersSend(policy: AddressPolicy): Send {
  return async (request): Promise<OutboundResult> => {
    const { hostname } = new URL(request.url);
    if (
      request.addresses === 'checked' &&
      isAddressLiteral(hostname) &&
      !policy.permits(hostname, hostname)
    ) {
      return failure('refused-address', `${hostname} is not globally reachable`);
    }
    if (request.caCertificate !== undefined) {
      return failure('unreachable', 'an own certificate authority per instance is not available on Workers');
    }
    request.begun?.();
    const silence = createSilenceLimit(request.timeoutMs);
    try {
      const response = await fetch(request.url, {
        method: request.method,
        headers: { 'user-agent': userAgent, ...request.headers },
        body: request.body as BodyInit | undefined,
        redirect: 'manual',
        signal: request.signal ? AbortSignal.any([request.signal, silence.signal]) : silence.signal,
      });
      silence.heard();
      return {
        ok: true,
        status: response.status,
        headers: response.headers,
        body: chunksOf(response, silence),
        text: (limitBytes) => readText(response, silence, limitBytes, request.timeoutMs * wholeAnswerFactor),
        discard: async () => {
          silence.end();
          await response.body?.cancel();
        },
      };
    } catch (error) {
      silence.end();
      if (silence.signal.aborted) return failure('timeout', 'no answer in time');
      if (request.signal?.aborted) return failure('aborted', 'the caller gave up');
      return failure('unreachable', String(error));
    }
  };
}
