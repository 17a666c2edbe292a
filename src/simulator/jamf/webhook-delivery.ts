import { rootCertificates } from 'node:tls';
import { Agent, errors, request } from 'undici';
import type { Webhook } from './webhook-settings.ts';

export type DeliveryOutcome =
  | { readonly kind: 'delivered'; readonly status: number }
  | {
      readonly kind: 'dropped';
      readonly reason: 'timeout' | 'status' | 'connection';
      readonly detail: string;
    };

export interface DeliveryClient {
  /** Posts once, within the webhook's connect and read timeouts, and never again. */
  post(webhook: Webhook, body: string): Promise<DeliveryOutcome>;
  /** Certificates (PEM, several may follow each other) to trust besides the public ones. */
  trust(pem: string | undefined): Promise<void>;
  close(): Promise<void>;
}

// Enough for a fleet, few enough to leave the receiver some air.
const connectionsPerReceiver = 64;

const isTimeout = (error: Error): boolean =>
  error instanceof errors.ConnectTimeoutError ||
  error instanceof errors.HeadersTimeoutError ||
  error instanceof errors.BodyTimeoutError;

function credentials(webhook: Webhook): Record<string, string> {
  const { authentication } = webhook;
  if (authentication.type === 'HEADER') return { ...authentication.headers };
  if (authentication.type === 'NONE') return {};
  const pair = Buffer.from(`${authentication.username}:${authentication.password}`).toString('base64');
  return { authorization: `Basic ${pair}` };
}

/** The sending side of webhooks, domain/jamf.md 3.5: no signature, no retry, redirects not followed. */
export function createDeliveryClient(trustPem: string | undefined): DeliveryClient {
  let pem = trustPem;
  // The connect timeout belongs to the connector, so there is an agent for each of the 15 values in use.
  const agents = new Map<number, Agent>();

  const agentFor = (timeoutSeconds: number): Agent => {
    let agent = agents.get(timeoutSeconds);
    if (!agent) {
      agent = new Agent({
        connections: connectionsPerReceiver,
        allowH2: false,
        connect: {
          timeout: timeoutSeconds * 1000,
          ca: pem === undefined ? undefined : [...rootCertificates, pem],
        },
      });
      agents.set(timeoutSeconds, agent);
    }
    return agent;
  };
  const dropAgents = async (): Promise<void> => {
    const old = [...agents.values()];
    agents.clear();
    await Promise.all(old.map((agent) => agent.destroy()));
  };

  return {
    post: async (webhook, body) => {
      try {
        const response = await request(webhook.url, {
          method: 'POST',
          dispatcher: agentFor(webhook.connectionTimeoutSeconds),
          headers: { ...credentials(webhook), 'content-type': webhook.contentType },
          body,
          headersTimeout: webhook.readTimeoutSeconds * 1000,
          bodyTimeout: webhook.readTimeoutSeconds * 1000,
        });
        await response.body.dump();
        const status = response.statusCode;
        return status >= 200 && status < 300
          ? { kind: 'delivered', status }
          : { kind: 'dropped', reason: 'status', detail: String(status) };
      } catch (error) {
        if (!(error instanceof Error)) throw error;
        const reason = isTimeout(error) ? 'timeout' : 'connection';
        return { kind: 'dropped', reason, detail: error.message };
      }
    },
    trust: async (next) => {
      pem = next;
      await dropAgents();
    },
    close: dropAgents,
  };
}
