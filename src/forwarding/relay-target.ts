/**
 * Asks an address whether a tenant lives there, before the credentials of its callers go to it (relay.ts). It is asked as
 * Graph asks the address of a new subscription: a deployment that has the tenant says the text back, one that has it not
 * answers 404, and one that would pass it on in its turn sees that it was passed on already.
 */

import { newId } from '../ids.ts';
import { relayProbeMs } from '../limits.ts';
import { BodyInterrupted, BodyTooLarge, type OutboundResponse, type Send } from '../outbound/port.ts';
import { ProblemError, problem } from '../problems.ts';
import { relayedHeader } from './headers.ts';

async function isEcho(answer: OutboundResponse, sent: string): Promise<boolean> {
  try {
    return (await answer.text(sent.length)) === sent;
  } catch (error) {
    if (error instanceof BodyTooLarge || error instanceof BodyInterrupted) return false;
    throw error;
  }
}

/** In our words: undefined where the tenant lives there. */
async function objectionOf(send: Send, tenantId: string, to: string): Promise<string | undefined> {
  const sent = newId();
  const answer = await send({
    method: 'POST',
    url: `${to}/t/${tenantId}/notifications?validationToken=${sent}`,
    headers: { [relayedHeader]: '1' },
    addresses: 'checked',
    timeoutMs: relayProbeMs,
    tenantId,
  });
  if (!answer.ok) return answer.detail;
  if (answer.status === 200)
    return (await isEcho(answer, sent)) ? undefined : 'what answers there is no deployment of Espalier';
  await answer.discard();
  return answer.status === 404
    ? 'the deployment there does not know it'
    : `it was answered with status ${answer.status}`;
}

/** `to`: base URL of a deployment. Throws `conflict` where nothing shows that the tenant lives there. */
export async function checkLivesAt(send: Send, tenantId: string, to: string): Promise<void> {
  const objection = await objectionOf(send, tenantId, to);
  if (objection === undefined) return;
  const detail = `Nothing shows that the tenant lives at ${to}: ${objection}. Move it in there first, or correct the address.`;
  throw new ProblemError(problem('conflict', detail));
}
