import type { Clock } from '../clock.ts';
import type { Random } from '../random.ts';
import { oddGroupBody } from './oddities.ts';
import { createDeliveryClient, type DeliveryClient, type DeliveryOutcome } from './webhook-delivery.ts';
import { envelope, type FiredEvent, type PayloadVariants } from './webhook-events.ts';
import type { Webhook, WebhookSettings } from './webhook-settings.ts';

/** Faults of events by a cluster and the net (domain/jamf.md 3.5), besides old shapes. */
export interface WebhookVariants extends PayloadVariants {
  /** Share of events sent twice, 0 to 1. */
  duplicateShare: number;
  /** Share of events sent `lateMs` later, 0 to 1. */
  lateShare: number;
  lateMs: number;
  /** Share of events held back until the next one of the same webhook has gone, or for a second. */
  outOfOrderShare: number;
}

export interface WebhookCounts {
  readonly sent: number;
  readonly delivered: number;
  readonly dropped: { readonly timeout: number; readonly status: number; readonly connection: number };
}

export interface DeliveryRecord {
  readonly at: string;
  readonly webhookId: number;
  readonly event: FiredEvent;
  readonly outcome: DeliveryOutcome;
  readonly durationMs: number;
}

export type Saved =
  | { readonly kind: 'saved'; readonly webhook: Webhook }
  | { readonly kind: 'duplicate-name' };

export interface Webhooks {
  readonly variants: WebhookVariants;
  list(): Webhook[];
  get(id: number): Webhook | undefined;
  byName(name: string): Webhook | undefined;
  create(settings: WebhookSettings): Saved;
  update(id: number, settings: WebhookSettings): Saved | { readonly kind: 'unknown' };
  delete(id: number): boolean;
  /** Sends to every webhook that is enabled for the event (and group). Returns at once. */
  fire(event: FiredEvent, body: Readonly<Record<string, unknown>>, smartGroupId?: number): void;
  counts(): WebhookCounts;
  /** The newest deliveries, oldest first. */
  deliveries(): DeliveryRecord[];
  trust(pem: string | undefined): Promise<void>;
  /** Resolves when nothing is on its way any more; late and held back events included. */
  settled(): Promise<void>;
  /** Drops what is still on its way. */
  close(): Promise<void>;
}

const keptDeliveries = 1000;
const heldBackMs = 1000;

function registry() {
  const webhooks = new Map<number, Webhook>();
  let lastId = 0;
  const byName = (name: string): Webhook | undefined =>
    [...webhooks.values()].find((webhook) => webhook.name === name);
  const taken = (name: string, id: number): boolean => {
    const other = byName(name);
    return other !== undefined && other.id !== id;
  };
  const save = (id: number, settings: WebhookSettings): Saved => {
    const webhook: Webhook = { ...settings, id };
    webhooks.set(id, webhook);
    return { kind: 'saved', webhook };
  };
  return {
    list: () => [...webhooks.values()],
    get: (id: number) => webhooks.get(id),
    byName,
    create: (settings: WebhookSettings): Saved => {
      if (taken(settings.name, 0)) return { kind: 'duplicate-name' };
      lastId += 1;
      return save(lastId, settings);
    },
    update: (id: number, settings: WebhookSettings): Saved | { readonly kind: 'unknown' } => {
      if (!webhooks.has(id)) return { kind: 'unknown' };
      return taken(settings.name, id) ? { kind: 'duplicate-name' } : save(id, settings);
    },
    delete: (id: number) => webhooks.delete(id),
  };
}

/** Timers of late and held back events, and a way to wait for everything under way. */
function pending() {
  const tasks = new Set<Promise<void>>();
  const timers = new Map<NodeJS.Timeout, () => void>();
  const track = (task: Promise<void>): void => {
    tasks.add(task);
    void task.finally(() => tasks.delete(task));
  };
  return {
    track,
    later: (ms: number, act: () => void): void =>
      track(
        new Promise<void>((resolve) => {
          const timer = setTimeout(() => {
            timers.delete(timer);
            act();
            resolve();
          }, ms);
          timers.set(timer, resolve);
        }),
      ),
    settled: async (): Promise<void> => {
      while (tasks.size > 0) await Promise.all(tasks);
    },
    cancel: (): void => {
      for (const [timer, resolve] of timers) {
        clearTimeout(timer);
        resolve();
      }
      timers.clear();
    },
  };
}

/** Posts once and keeps count. */
function deliverer(clock: Clock, client: DeliveryClient) {
  const records: DeliveryRecord[] = [];
  const counted = { sent: 0, delivered: 0, timeout: 0, status: 0, connection: 0 };
  return {
    deliver: async (webhook: Webhook, event: FiredEvent, body: string): Promise<void> => {
      counted.sent += 1;
      const startedAt = performance.now();
      const outcome = await client.post(webhook, body);
      counted[outcome.kind === 'delivered' ? 'delivered' : outcome.reason] += 1;
      records.push({
        at: new Date(clock.now()).toISOString(),
        webhookId: webhook.id,
        event,
        outcome,
        durationMs: performance.now() - startedAt,
      });
      if (records.length > keptDeliveries) records.splice(0, records.length - keptDeliveries);
    },
    counts: (): WebhookCounts => ({
      sent: counted.sent,
      delivered: counted.delivered,
      dropped: { timeout: counted.timeout, status: counted.status, connection: counted.connection },
    }),
    deliveries: (): DeliveryRecord[] => [...records],
  };
}

type Waiting = ReturnType<typeof pending>;

/** Sends an event now, twice, late, or after its successor, as the variants' shares have it. */
function disturbedSender(random: Random, variants: WebhookVariants, waiting: Waiting) {
  const held = new Map<number, () => Promise<void>>();
  const chance = (share: number): boolean => share > 0 && random.next() < share;
  const release = async (webhookId: number): Promise<void> => {
    const post = held.get(webhookId);
    held.delete(webhookId);
    await post?.();
  };
  return {
    send: (webhookId: number, post: () => Promise<void>): void => {
      if (chance(variants.duplicateShare)) waiting.track(post());
      if (chance(variants.lateShare)) {
        waiting.later(variants.lateMs, () => waiting.track(post()));
        return;
      }
      if (!held.has(webhookId) && chance(variants.outOfOrderShare)) {
        held.set(webhookId, post);
        waiting.later(heldBackMs, () => {
          if (held.get(webhookId) === post) waiting.track(release(webhookId));
        });
        return;
      }
      waiting.track(post().then(() => release(webhookId)));
    },
    forget: (): void => held.clear(),
  };
}

/** Webhooks of one instance: fire and forget, dropped on timeout or an answer that is not 2xx. */
export function createWebhooks(options: {
  clock: Clock;
  random: Random;
  trustPem: string | undefined;
}): Webhooks {
  const { clock, random } = options;
  const variants: WebhookVariants = {
    flatCheckIn: false,
    omitNewFields: false,
    duplicateShare: 0,
    lateShare: 0,
    lateMs: 5000,
    outOfOrderShare: 0,
  };
  let groupEvents = 0;
  const configured = registry();
  const client = createDeliveryClient(options.trustPem);
  const waiting = pending();
  const { deliver, counts, deliveries } = deliverer(clock, client);
  const sender = disturbedSender(random, variants, waiting);

  return {
    ...configured,
    variants,
    fire: (event, body, smartGroupId) => {
      if (smartGroupId !== undefined) groupEvents += 1;
      for (const webhook of configured.list()) {
        if (!webhook.enabled || webhook.event !== event) continue;
        if (smartGroupId !== undefined && webhook.smartGroupId !== smartGroupId) continue;
        const isXml = webhook.contentType !== 'application/json';
        const sent = smartGroupId === undefined ? body : oddGroupBody(body, groupEvents, isXml);
        const text = envelope(webhook, event, sent, { atMs: clock.now(), variants });
        sender.send(webhook.id, () => deliver(webhook, event, text));
      }
    },
    counts,
    deliveries,
    trust: client.trust,
    settled: waiting.settled,
    close: async () => {
      sender.forget();
      waiting.cancel();
      await client.close();
    },
  };
}
