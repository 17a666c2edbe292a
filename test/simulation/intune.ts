import type { OutboundRequest, OutboundResult } from '../../src/outbound/port.ts';
import type { Random } from '../../src/simulator/random.ts';
import type { Laws } from './laws.ts';
import type { Poison } from './plan.ts';
import type { Scheduler } from './scheduler.ts';
import type { Trace } from './trace.ts';

/** Intune as seen from the wire: takes messages, answers well or badly, and works on them later. */
export interface Intune {
  /** Answers as the `send` port does. */
  exchange(request: OutboundRequest): Promise<OutboundResult>;
  setMood(tenantId: string, mood: Mood): void;
  /** The version that Intune shows of a device. */
  versionOf(deviceId: string): number;
}

export const moods = ['fine', 'throttling', 'down', 'flaky', 'slow', 'garbled', 'forgetful', 'odd'] as const;
export type Mood = (typeof moods)[number];

export interface IntuneOptions {
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly trace: Trace;
  readonly laws: Laws;
  readonly poisonOf: (deviceId: string) => Poison | undefined;
}

interface DeviceState {
  readonly deviceId: string;
  readonly at: number;
  readonly version: number;
}

interface Message {
  readonly devices: readonly DeviceState[];
  status: 'Pending' | 'Completed' | 'Failed';
}

type Answer = {
  readonly status: number;
  readonly body?: unknown;
  readonly text?: string;
  readonly wait?: number;
};
type Fault = 'none' | 'before' | 'after' | 'late';

export function devicesOf(body: string): DeviceState[] {
  const { Content } = JSON.parse(body) as { Content: string };
  const entities = JSON.parse(Content) as Record<string, unknown>[];
  return entities
    .filter((entity) => entity.EntityType === 1)
    .map((entity) => ({
      deviceId: String(entity.DeviceId),
      at: Date.parse(String(entity.LastUpdateTime)),
      version: Number(entity.OsVersion),
    }));
}

export const idOf = (url: string): string => /guid'([^']+)'/.exec(url)?.[1] ?? '';
export const tenantOf = (url: string): string => url.split('/')[3] ?? '';

function response({ body, status, text, wait }: Answer): OutboundResult {
  const content = text ?? (body === undefined ? '' : JSON.stringify(body));
  return {
    ok: true,
    status,
    headers: new Headers(wait === undefined ? {} : { 'retry-after': String(wait) }),
    body: (async function* () {})(),
    text: async () => content,
    discard: async () => undefined,
  };
}

const broke = (failure: 'timeout' | 'reset' | 'unreachable'): OutboundResult => ({
  ok: false,
  failure,
  detail: 'simulated',
});

const accepted: Answer = { status: 200, body: { ErrorCode: 202 } };

/** What a device that Intune cannot stand makes of a whole message. */
const refusals: Readonly<Partial<Record<Poison, Answer>>> = {
  refused: { status: 200, body: { ErrorCode: 400, ErrorDetail: 'poisonous' } },
  'not-found': { status: 200, body: { ErrorCode: 404, ErrorDetail: 'Device not found' } },
  'http-400': { status: 400, body: { ErrorDetail: 'poisonous' } },
  'body-500': { status: 200, body: { ErrorCode: 500, ErrorDetail: 'oops' } },
  'http-500': { status: 500, body: { ErrorDetail: 'oops' } },
};

export function createIntune({ laws, poisonOf, random, scheduler, trace }: IntuneOptions): Intune {
  const moodOf = new Map<string, Mood>();
  const messages = new Map<string, Message>();
  const shown = new Map<string, DeviceState>();

  const process = (messageId: string, message: Message): void => {
    const poisonous = message.devices.some(({ deviceId }) => poisonOf(deviceId) === 'failed-later');
    message.status = poisonous ? 'Failed' : 'Completed';
    trace.line(`intune ${message.status} ${messageId}`);
    if (poisonous) return;
    for (const device of message.devices) {
      const known = shown.get(device.deviceId);
      // What is older than what is known is taken and changes nothing.
      if (known && known.at >= device.at) continue;
      shown.set(device.deviceId, device);
      laws.applied(device.deviceId, device.version);
    }
  };
  const take = (messageId: string, body: string, mood: Mood): void => {
    if (messages.has(messageId)) return;
    const message: Message = { devices: devicesOf(body), status: 'Pending' };
    if (mood === 'forgetful' && random.next() < 0.3) {
      trace.line(`intune forgets ${messageId}`);
      return;
    }
    messages.set(messageId, message);
    scheduler.after(random.integer(50, mood === 'slow' ? 20_000 : 3_000), () => process(messageId, message));
  };

  const putAnswer = (mood: Mood): { answer: Answer | 'timeout' | 'reset' | 'unreachable'; fault: Fault } => {
    const dice = random.next();
    const wait = random.next() < 0.7 ? { wait: random.integer(1, 15) } : {};
    const half = random.next() < 0.5 ? 'before' : 'after';
    if (mood === 'throttling' && dice < 0.6) return { answer: { status: 429, ...wait }, fault: 'before' };
    if (mood === 'down' && dice < 0.9) {
      const answer = dice < 0.3 ? { status: 503, ...wait } : dice < 0.7 ? { status: 500 } : 'unreachable';
      return { answer, fault: 'before' };
    }
    if (mood === 'flaky' && dice < 0.5) {
      return { answer: dice < 0.25 ? 'reset' : 'timeout', fault: random.next() < 0.3 ? 'late' : half };
    }
    if (mood === 'garbled' && dice < 0.5) return { answer: { status: 200, text: '<html>' }, fault: half };
    if (mood === 'odd' && dice < 0.6) {
      const status = random.pick([401, 403, 404, 408, 302]);
      const answer =
        dice < 0.3 ? { status } : { status: 200, body: { ErrorCode: random.pick([429, 500, 503]) } };
      return { answer, fault: 'before' };
    }
    return { answer: accepted, fault: 'none' };
  };
  const poisoned = (body: string): { answer: Answer | 'reset' } | undefined => {
    for (const { deviceId } of devicesOf(body)) {
      const poison = poisonOf(deviceId);
      if (poison === 'reset') return { answer: 'reset' };
      const answer = poison === undefined ? undefined : refusals[poison];
      if (answer) return { answer };
    }
    return undefined;
  };
  const respond = async (answer: Answer | 'timeout' | 'reset' | 'unreachable', timeoutMs: number) => {
    if (answer === 'timeout') await scheduler.sleep(timeoutMs);
    return typeof answer === 'string' ? broke(answer) : response(answer);
  };

  const put = async (
    messageId: string,
    body: string,
    mood: Mood,
    timeoutMs: number,
  ): Promise<OutboundResult> => {
    const { answer, fault } = putAnswer(mood);
    if (fault !== 'before') {
      const bad = poisoned(body);
      if (bad) return respond(bad.answer, timeoutMs);
      if (fault === 'late') scheduler.after(random.integer(1, 40_000), () => take(messageId, body, mood));
      else take(messageId, body, mood);
    }
    return respond(answer, timeoutMs);
  };
  const get = async (messageId: string, mood: Mood, timeoutMs: number): Promise<OutboundResult> => {
    const { answer, fault } = putAnswer(mood);
    if (fault !== 'none') return respond(answer, timeoutMs);
    const message = messages.get(messageId);
    if (!message) return response({ status: 404, body: { ErrorDetail: 'no such message' } });
    const detail =
      message.status === 'Failed' ? { ErrorDetail: 'the user is not in the assigned group' } : {};
    return response({ status: 200, body: { Status: message.status, ...detail } });
  };

  return {
    exchange: async (request) => {
      const mood = moodOf.get(tenantOf(request.url)) ?? 'fine';
      await scheduler.sleep(random.integer(5, mood === 'slow' ? 4_000 : 150));
      const id = idOf(request.url);
      const result =
        request.method === 'PUT'
          ? await put(id, String(request.body), mood, request.timeoutMs)
          : await get(id, mood, request.timeoutMs);
      await scheduler.sleep(random.integer(5, mood === 'slow' ? 4_000 : 150));
      return result;
    },
    setMood: (tenantId, mood) => void moodOf.set(tenantId, mood),
    versionOf: (deviceId) => shown.get(deviceId)?.version ?? 0,
  };
}
