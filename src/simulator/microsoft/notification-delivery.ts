/**
 * Calls a subscriber as Graph does: over TLS that it can verify, redirects not followed ("Receive change notifications
 * through webhooks").
 */

import { rootCertificates } from 'node:tls';
import { Agent, request } from 'undici';
import type { CloudContext } from './context.ts';

const handshakeTimeoutMs = 10_000;
/** A delivery that takes longer counts as failed. */
const deliveryTimeoutMs = 3_000;

export type Handshake = { readonly ok: true } | { readonly ok: false; readonly reason: string };

export interface NotificationClient {
  /** Calls the address with a token, and wants it back decoded, as plain text, with status 200. */
  handshake(url: string, token: string): Promise<Handshake>;
  /** The status; undefined: no answer in time, or no connection. */
  post(url: string, body: unknown): Promise<number | undefined>;
  close(): Promise<void>;
}

export function createNotificationClient(cloud: CloudContext): NotificationClient {
  let agent: Agent | undefined;
  let trusted: string | null | undefined;
  const agentNow = (): Agent => {
    const { browserTrustPem } = cloud.settings;
    if (agent && trusted === browserTrustPem) return agent;
    const old = agent;
    trusted = browserTrustPem;
    agent = new Agent({
      connect: { ca: [...rootCertificates, cloud.authorityPem, ...(trusted === null ? [] : [trusted])] },
    });
    void old?.close();
    return agent;
  };
  return {
    handshake: async (url, token) => {
      const address = new URL(url);
      // The token is written as by Microsoft: spaces as plus signs, colons escaped.
      address.searchParams.append('validationToken', token);
      try {
        const answer = await request(address, {
          method: 'POST',
          dispatcher: agentNow(),
          headers: { 'content-type': 'text/plain; charset=utf-8' },
          headersTimeout: handshakeTimeoutMs,
          bodyTimeout: handshakeTimeoutMs,
        });
        const text = await answer.body.text();
        const type = String(answer.headers['content-type'] ?? '');
        if (answer.statusCode !== 200)
          return { ok: false, reason: `Must respond with 200 OK, not ${answer.statusCode}` };
        if (!/^text\/plain\b/i.test(type))
          return { ok: false, reason: `Must respond with text/plain, not ${type}` };
        return text === token
          ? { ok: true }
          : { ok: false, reason: 'Must respond with the validation token' };
      } catch (error) {
        return { ok: false, reason: error instanceof Error ? error.message : String(error) };
      }
    },
    post: async (url, body) => {
      try {
        const answer = await request(url, {
          method: 'POST',
          dispatcher: agentNow(),
          headers: { 'content-type': 'application/json; charset=utf-8' },
          body: JSON.stringify(body),
          headersTimeout: deliveryTimeoutMs,
          bodyTimeout: deliveryTimeoutMs,
        });
        await answer.body.dump();
        return answer.statusCode;
      } catch {
        // Graph knows only that nobody answered.
        return undefined;
      }
    },
    close: async () => {
      await agent?.destroy();
      agent = undefined;
    },
  };
}
