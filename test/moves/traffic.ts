import { Agent, request } from 'undici';
import type { Call } from './answers.ts';
import { readAnswer } from './twins.ts';

/** Device calls at a rate, each at its time whether the ones before are answered or not. */

export interface Traffic {
  /** Sends no more and waits for the answers that are on their way. */
  stop(): Promise<TrafficRecord>;
}

export interface TrafficRecord {
  readonly calls: readonly Call[];
  /** Calls that were sent in a second, on average. */
  readonly perSecond: number;
  /** Calls whose time came while too many were open: the machine does not give the rate. */
  readonly unsent: number;
}

export interface TrafficOptions {
  /** Data listeners, in turn. */
  readonly origins: readonly string[];
  readonly ca: string;
  readonly token: string;
  readonly tenantId: string;
  readonly deviceIds: readonly string[];
  readonly perSecond: number;
  /** Instances' ids by the names that they give themselves. */
  readonly instanceIds: ReadonlyMap<string, string>;
}

const tickMs = 5;
/** One of so many devices is asked for all the time. */
const hotShare = 40;
const answerTimeoutMs = 30_000;
/** They stand before the clock starts and are kept, as a connector keeps its own. */
const connections = 200;
const keptMs = 60_000;
/** Beyond this nobody is slow any more but the machine: calls that wait long to be sent would prove little. */
const maxOpen = 2_000;

export async function startTraffic(options: TrafficOptions): Promise<Traffic> {
  const { ca, deviceIds, instanceIds, origins, perSecond, tenantId, token } = options;
  const agent = new Agent({ connections, keepAliveTimeout: keptMs, connect: { ca } });
  const headers = { authorization: `Bearer ${token}` };
  const calls: Call[] = [];
  const hot = Math.max(1, Math.floor(deviceIds.length / hotShare));
  const open = new Set<Promise<void>>();
  let turns = 0;
  let unsent = 0;

  const ask = async (origin: string, deviceId: string): Promise<Pick<Call, 'instanceId' | 'problem'>> => {
    try {
      const answer = await request(`${origin}/t/${tenantId}/devices/${deviceId}/compliance`, {
        dispatcher: agent,
        headers,
        headersTimeout: answerTimeoutMs,
        bodyTimeout: answerTimeoutMs,
      });
      const text = await answer.body.text();
      if (answer.statusCode !== 200)
        return { instanceId: undefined, problem: `${answer.statusCode} ${text.slice(0, 300)}` };
      const { deviceIds: about, instance } = readAnswer(JSON.parse(text));
      const instanceId = instanceIds.get(instance);
      return about.includes(deviceId) && instanceId !== undefined
        ? { instanceId }
        : { instanceId: undefined, problem: `an answer of ${instance} about ${about.join(', ')}` };
    } catch (error) {
      return { instanceId: undefined, problem: String(error) };
    }
  };
  const send = async (number: number): Promise<void> => {
    // Every second call is for one of a few devices, whose routes are kept in memory; else every device has its turn.
    const turn = Math.floor(number / 2);
    const deviceId =
      number % 2 === 0 ? deviceIds[turn % hot]! : deviceIds[(turn * 7_919) % deviceIds.length]!;
    const callStartedAt = Date.now();
    const result = await ask(origins[number % origins.length]!, deviceId);
    calls.push({ deviceId, startedAt: callStartedAt, endedAt: Date.now(), ...result });
  };
  const warming = origins.length * connections;
  await Promise.all(Array.from({ length: warming }, (_, number) => send(number)));
  const startedAt = performance.now();
  const timer = setInterval(() => {
    const due = Math.floor(((performance.now() - startedAt) / 1_000) * perSecond);
    for (; turns < due; turns += 1) {
      if (open.size >= maxOpen) {
        unsent += 1;
        continue;
      }
      const sending = send(turns).finally(() => open.delete(sending));
      open.add(sending);
    }
  }, tickMs);
  return {
    stop: async () => {
      clearInterval(timer);
      const seconds = (performance.now() - startedAt) / 1_000;
      await Promise.all(open);
      await agent.destroy();
      return { calls, perSecond: (turns - unsent) / seconds, unsent };
    },
  };
}
