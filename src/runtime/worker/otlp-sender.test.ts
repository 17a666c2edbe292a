import { expect, it } from 'vitest';
import type { OutboundResult } from '../../outbound/port.ts';
import { createLog } from '../../telemetry/log.ts';
import { createOtlpSender } from './otlp-sender.ts';

const target = {
  url: 'https://collector.example.com/v1/traces',
  headers: { authorization: 'Bearer a-key-of-the-collector' },
  timeoutMs: 5_000,
};
const status = (code: number): OutboundResult => ({
  ok: true,
  status: code,
  headers: new Headers(),
  body: (async function* () {})(),
  text: async () => '',
  discard: async () => undefined,
});
const away: OutboundResult = {
  ok: false,
  failure: 'unreachable',
  detail: 'the key is a-key-of-the-collector',
};

function open() {
  const lines: string[] = [];
  const [sent, taken, refused]: [string[], string[], string[]] = [[], [], []];
  const given = { nowMs: 0, answer: async (): Promise<OutboundResult> => status(200), next: 0 };
  const send = createOtlpSender({
    ...{ target, signal: 'traces', now: () => given.nowMs },
    log: createLog({ level: 'debug', format: 'json', write: (line) => lines.push(line) }),
    take: async () => {
      given.next += 1;
      const message = `lot ${given.next}`;
      return { message, taken: () => taken.push(message), refused: () => refused.push(message) };
    },
    send: async ({ body }) => {
      sent.push(String(body));
      return given.answer();
    },
  });
  return { given, lines, refused, send, sent, taken };
}

it('tells a lot that it was taken', async () => {
  const { lines, send, taken } = open();
  await send();
  await send();
  expect([taken, lines]).toEqual([['lot 1', 'lot 2'], []]);
});

it('waits longer after each failure, and says so once a minute, without what it was told of it', async () => {
  const { given, lines, refused, send, sent, taken } = open();
  given.answer = async () => away;
  const triesAt: number[] = [];
  for (; given.nowMs < 180_000; given.nowMs += 1_000) {
    const before = sent.length;
    await send();
    if (sent.length > before) triesAt.push(given.nowMs / 1_000);
  }
  expect(triesAt).toEqual([0, 5, 15, 35, 75, 135]);
  expect(lines.map((line) => JSON.parse(line))).toEqual(
    [0, 75, 135].map(() =>
      expect.objectContaining({
        event: 'telemetry.not-sent',
        signal: 'traces',
        host: 'collector.example.com',
        failure: 'unreachable',
      }),
    ),
  );
  expect(lines.join()).not.toContain('a-key-of-the-collector');
  expect([taken, refused]).toEqual([[], []]);
  given.answer = async () => status(200);
  given.nowMs = 200_000;
  await send();
  expect(taken).toHaveLength(1);
});

it('lets go of what is refused for good, and keeps what may be taken later', async () => {
  for (const [code, gone] of [
    [400, 1],
    [401, 1],
    [302, 1],
    [408, 0],
    [429, 0],
    [503, 0],
  ] as const) {
    const { given, refused, send, taken } = open();
    given.answer = async () => status(code);
    await send();
    expect([taken.length, refused.length], String(code)).toEqual([0, gone]);
  }
});

it('sends one message at a time, and takes over from one whose request ended', async () => {
  const { given, send, sent, taken } = open();
  const late = Promise.withResolvers<OutboundResult>();
  given.answer = () => late.promise;
  const first = send();
  await send();
  expect(sent).toHaveLength(1);
  given.nowMs = 60_000;
  given.answer = async () => status(200);
  await send();
  expect(taken).toEqual(['lot 2']);
  late.resolve(status(200));
  await first;
  expect(taken).toEqual(['lot 2']);
});
