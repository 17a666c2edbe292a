import { setTimeout as wait } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { Agent, request } from 'undici';
import type { AddedInstance } from '../harness/gateway.ts';
import type { StormGateway } from './gateways.ts';

/** What instances have sent, and what became of it. */
export interface Sent {
  webhooks: number;
  /** Answered 202: committed, whatever happens next. */
  webhooksAccepted: number;
  /** Met no gateway, an error or a broken connection. Jamf Pro sends none again. */
  webhooksMissed: number;
  pushes: number;
  pushesAccepted: number;
  /** Tries that were not answered 202 and were made again. */
  pushRetries: number;
}

export interface Senders {
  readonly counts: Sent;
  /** `accepted` is told of a 202. */
  webhook(instance: AddedInstance, body: string, accepted: () => void): void;
  /** Sent until it is answered 202. */
  push(
    instance: AddedInstance,
    body: string,
    type: 'application/json' | 'application/x-ndjson',
    accepted: () => void,
  ): void;
  /** How many are on their way. */
  pending(): number;
  /** Gives up what is on its way. */
  close(): Promise<void>;
}

export interface SendersOptions {
  readonly gateways: readonly StormGateway[];
  /** PEM. */
  readonly trust: string;
  /** Also webhooks are sent until they arrive: for a gateway that does not poll. */
  readonly resendWebhooks: boolean;
  /** A push that came through but was not taken as it should be. */
  readonly complain: (what: string) => void;
  /** A try that began at that time of `performance` was not answered 202. */
  readonly onMiss?: (miss: Miss, at: number) => void;
}

/** What was answered instead, or what broke. */
export type Miss = { readonly status: number; readonly text: string } | { readonly broken: string };

interface Post {
  readonly path: string;
  readonly key: string;
  readonly type: string;
  readonly body: string | Buffer;
  readonly encoding?: 'gzip';
}

/** From here on a body is worth packing. */
const packedFromBytes = 64 * 1024;
const timeoutMs = 15_000;

/** The senders of all instances, behind a balancer that knows which gateways answer. */
export function createSenders(options: SendersOptions): Senders {
  const { complain, gateways, onMiss = () => undefined, resendWebhooks, trust } = options;
  const agent = new Agent({ connections: 32, connect: { ca: trust } });
  const counts: Sent = {
    webhooks: 0,
    webhooksAccepted: 0,
    webhooksMissed: 0,
    pushes: 0,
    pushesAccepted: 0,
    pushRetries: 0,
  };
  let pending = 0;
  let turn = 0;
  let closed = false;

  /** undefined: whether it was taken is not known, or it was not. */
  const tryOnce = async ({ body, encoding, key, path, type }: Post): Promise<string | undefined> => {
    const up = gateways.filter((gateway) => gateway.isUp());
    turn += 1;
    const gateway = up[turn % Math.max(1, up.length)];
    const at = performance.now();
    if (!gateway) {
      onMiss({ broken: 'no gateway' }, at);
      return undefined;
    }
    try {
      const answer = await request(`${gateway.data}${path}`, {
        method: 'POST',
        dispatcher: agent,
        headers: {
          'content-type': type,
          'x-api-key': key,
          ...(encoding === undefined ? {} : { 'content-encoding': encoding }),
        },
        body,
        headersTimeout: timeoutMs,
        bodyTimeout: timeoutMs,
      });
      const text = await answer.body.text();
      if (answer.statusCode === 202) return text;
      onMiss({ status: answer.statusCode, text }, at);
      if (answer.statusCode < 500 && answer.statusCode !== 429) {
        complain(`POST ${path} was answered ${answer.statusCode}: ${text.slice(0, 300)}`);
      }
      return undefined;
    } catch (error) {
      onMiss({ broken: (error as NodeJS.ErrnoException).code ?? String(error) }, at);
      return undefined;
    }
  };
  const send = async (post: Post, tries: number, missed: () => void): Promise<string | undefined> => {
    pending += 1;
    try {
      for (let made = 1; !closed; made += 1) {
        const text = await tryOnce(post);
        if (text !== undefined) return text;
        missed();
        if (made >= tries) return undefined;
        await wait(Math.min(200 * made, 1000));
      }
      return undefined;
    } finally {
      pending -= 1;
    }
  };

  return {
    counts,
    webhook: ({ id, key }, body, accepted) => {
      counts.webhooks += 1;
      const post = { path: `/jamf/${id}/webhooks`, key, type: 'application/json', body };
      const missed = (): void => {
        counts.webhooksMissed += 1;
      };
      void send(post, resendWebhooks ? Number.POSITIVE_INFINITY : 1, missed).then((text) => {
        if (text === undefined) return;
        counts.webhooksAccepted += 1;
        accepted();
      });
    },
    push: ({ id, key }, body, type, accepted) => {
      counts.pushes += 1;
      const packed = body.length >= packedFromBytes;
      const post: Post = {
        ...{ path: `/jamf/${id}/inventory`, key, type },
        ...(packed ? { body: gzipSync(body, { level: 1 }), encoding: 'gzip' } : { body }),
      };
      const missed = (): void => {
        counts.pushRetries += 1;
      };
      void send(post, Number.POSITIVE_INFINITY, missed).then((text) => {
        if (text === undefined) return;
        counts.pushesAccepted += 1;
        accepted();
        const { rejected } = JSON.parse(text) as { rejected?: unknown[] };
        if (rejected?.length !== 0) complain(`a push was rejected in part: ${text.slice(0, 300)}`);
      });
    },
    pending: () => pending,
    close: async () => {
      closed = true;
      await agent.destroy();
    },
  };
}
