/**
 * Sends one message to one target. The address rule of instances holds for it too, where the connection is made; a redirect
 * is not followed, for it would be a way around that rule; of the answer only the status counts, and its body is not read.
 */

import { Webhook } from 'standardwebhooks';
import { alertTimeoutMs } from '../limits.ts';
import type { OutboundResult, Send } from '../outbound/port.ts';
import { retryAfterSeconds } from '../outbound/retry-after.ts';
import type { Sealer } from '../secrets/seal.ts';
import { type AlertTarget, targetAssociation } from '../store/alerts/targets.ts';
import type { AlertFormat } from '../store/row-types.ts';
import { chatTextOf } from './chat-text.ts';
import type { Message, MessageBody } from './message.ts';
import { slackBody } from './slack.ts';
import { teamsBody } from './teams.ts';

/** The part of a target that is stored sealed. */
export interface Destination {
  readonly url: string;
  /** null: a chat, which checks no signature; its address is the secret. */
  readonly secret: string | null;
}

export const sealDestination = (
  sealer: Sealer,
  targetId: string,
  destination: Destination,
): Promise<string> => sealer.seal(JSON.stringify(destination), targetAssociation(targetId));

/** Throws `SealBroken`. */
export const openDestination = async (
  sealer: Sealer,
  { sealed, targetId }: Pick<AlertTarget, 'sealed' | 'targetId'>,
): Promise<Destination> => JSON.parse(await sealer.open(sealed, targetAssociation(targetId)));

/** 32 random bytes, in the form of Standard Webhooks. */
export const newSigningSecret = (): string =>
  `whsec_${btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(32))))}`;

function bodyOf(format: AlertFormat, body: MessageBody): unknown {
  if (format === 'standard' || body.type === 'history.appended') return body;
  const text = chatTextOf(body);
  return format === 'slack' ? slackBody(text) : teamsBody(text);
}

/** Header names and signature of Standard Webhooks; `at` is when it is sent. */
const signedHeaders = (secret: string, id: string, at: Date, text: string) => ({
  'webhook-id': id,
  'webhook-timestamp': String(Math.floor(at.getTime() / 1_000)),
  'webhook-signature': new Webhook(secret).sign(id, at, text),
});

export type Posted =
  | { readonly ok: true; readonly status: number }
  | {
      readonly ok: false;
      /** In our words: what the target answers is not repeated. */
      readonly detail: string;
      readonly status?: number;
      /** 410: the target wants no more messages (Standard Webhooks, "Delivery"). */
      readonly isGone: boolean;
      readonly retryAfterSeconds?: number;
    };

async function outcomeOf(answer: OutboundResult, isLate: boolean, nowMs: number): Promise<Posted> {
  if (!answer.ok) {
    if (isLate) return { ok: false, detail: `no answer within ${alertTimeoutMs / 1_000} s`, isGone: false };
    const { detail, failure } = answer;
    return {
      ok: false,
      detail: failure === 'refused-address' ? `address refused: ${detail}` : detail,
      isGone: false,
    };
  }
  const { headers, status } = answer;
  await answer.discard();
  if (status >= 200 && status < 300) return { ok: true, status };
  const seconds = retryAfterSeconds(headers, nowMs);
  return {
    ok: false,
    detail: `it answered with status ${status}`,
    status,
    isGone: status === 410,
    ...(seconds === undefined ? {} : { retryAfterSeconds: seconds }),
  };
}

export interface PostServices {
  readonly send: Send;
  readonly sealer: Sealer;
}

/** Posts a message to a target. */
export async function postMessage(
  { sealer, send }: PostServices,
  target: Pick<AlertTarget, 'format' | 'sealed' | 'targetId'>,
  { body, id }: Message,
): Promise<Posted> {
  let destination: Destination;
  try {
    destination = await openDestination(sealer, target);
  } catch {
    return {
      ok: false,
      detail: 'its sealed address does not open: ESPALIER_SECRETS_KEY lacks the key that sealed it',
      isGone: false,
    };
  }
  const { secret, url } = destination;
  const text = JSON.stringify(bodyOf(target.format, body));
  const signal = AbortSignal.timeout(alertTimeoutMs);
  const answer = await send({
    method: 'POST',
    url,
    headers: {
      'content-type': 'application/json',
      ...(secret === null ? {} : signedHeaders(secret, id, new Date(), text)),
    },
    body: text,
    timeoutMs: alertTimeoutMs,
    // In all, with the connection: other targets wait for this one's turn to end.
    signal,
    addresses: 'checked',
    tenantId: target.targetId,
  });
  return outcomeOf(answer, signal.aborted, Date.now());
}
