import { type AddressPolicy, isAddressLiteral } from './addresses.ts';
import {
  BodyInterrupted,
  BodyTooLarge,
  type OutboundFailure,
  type OutboundResult,
  type Send,
} from './port.ts';

/**
 * The Workers half of the outgoing port: `fetch`. The platform itself keeps a Worker from private networks and
 * resolves names, so only literal addresses are checked here.
 */

const failure = (kind: OutboundFailure['failure'], detail: string): OutboundFailure => ({
  ok: false,
  failure: kind,
  detail,
});

async function* chunksOf(response: Response): AsyncGenerator<Uint8Array> {
  if (!response.body) return;
  const reader = response.body.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  } catch (error) {
    throw new BodyInterrupted(String(error));
  } finally {
    reader.releaseLock();
  }
}

async function readText(response: Response, limitBytes: number): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  let size = 0;
  for await (const chunk of chunksOf(response)) {
    size += chunk.byteLength;
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
    const timeout = AbortSignal.timeout(request.timeoutMs);
    try {
      const response = await fetch(request.url, {
        method: request.method,
        headers: request.headers,
        body: request.body as BodyInit | undefined,
        redirect: 'manual',
        signal: request.signal ? AbortSignal.any([request.signal, timeout]) : timeout,
      });
      return {
        ok: true,
        status: response.status,
        headers: response.headers,
        body: chunksOf(response),
        text: (limitBytes) => readText(response, limitBytes),
        discard: async () => {
          await response.body?.cancel();
        },
      };
    } catch (error) {
      if (timeout.aborted) return failure('timeout', 'no answer in time');
      if (request.signal?.aborted) return failure('aborted', 'the caller gave up');
      return failure('unreachable', String(error));
    }
  };
}
