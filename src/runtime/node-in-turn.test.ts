import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { eventually } from '../../test/harness/eventually.ts';
import { createAnswerHeaders } from '../gateway/answer-headers.ts';
import { serveInTurn, type TurnOptions } from './node-in-turn.ts';
import { createRefusalTurns, type RefusalTurns, type Refused } from './node-refusal-turns.ts';

const request = 'GET / HTTP/1.1\r\nhost: a\r\n\r\n';
/** Node reads up to so many bytes from a socket at once. */
const readBytes = 64 * 1024;

let server: Server;
let caller: Socket;
let text: string;
const serve = async (handle: TurnOptions['handle'], more: Partial<TurnOptions> = {}): Promise<void> => {
  server = createServer();
  serveInTurn(server, {
    activityOf: () => ({ begins: () => undefined, ends: () => undefined }),
    isUnhurried: () => false,
    answerHeaders: createAnswerHeaders(),
    refusals: createRefusalTurns(),
    handle,
    ...more,
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  caller = connect((server.address() as AddressInfo).port, '127.0.0.1');
  text = '';
  caller.on('data', (chunk: Buffer) => {
    text += chunk.toString('latin1');
  });
};
const statuses = (): string[] => text.match(/(?<=HTTP\/1\.1 )\d{3}/g) ?? [];
afterEach(() => {
  caller.destroy();
  server.closeAllConnections();
  server.close();
});

it('reads no further than the requests that may wait, also after an answer', async () => {
  let answered = 0;
  let parsed = 0;
  let max = 0;
  await serve((_incoming, outgoing) => {
    setImmediate(() => {
      answered += 1;
      outgoing.end('ok');
    });
  });
  server.on('request', () => {
    parsed += 1;
    max = Math.max(max, parsed - answered);
  });
  const inOneRead = Math.ceil(readBytes / request.length);
  const sent = 3 * inOneRead;
  caller.write(request.repeat(sent));
  await eventually(() => expect(answered).toBe(sent));
  expect(max).toBeLessThan(2 * inOneRead);
}, 30_000);

describe('after a refusal', () => {
  let held: { readonly of: Refused; readonly run: () => void }[];
  let begun: number;
  const refusals: RefusalTurns = {
    add: (of, run) => void held.push({ of, run }),
    waiting: () => held.length,
  };
  const answerWith = async (status: () => number, more: Partial<TurnOptions> = {}): Promise<void> => {
    held = [];
    begun = 0;
    await serve(
      (_incoming, outgoing) => {
        begun += 1;
        outgoing.writeHead(status(), { 'content-length': 0 });
        outgoing.end();
      },
      { refusals, ...more },
    );
  };
  const ask = async (count: number): Promise<void> => {
    caller.write(request);
    await eventually(() => expect(statuses().length + held.length).toBe(count));
  };

  it('the next request of the connection waits for its turn, a first one and one after a good one do not', async () => {
    let status = 401;
    await answerWith(() => status);
    await ask(1);
    await ask(2);
    expect([begun, held.length, held[0]?.of]).toEqual([1, 1, 'stranger']);
    status = 200;
    held.shift()?.run();
    await eventually(() => expect(statuses()).toEqual(['401', '200']));
    await ask(3);
    status = 429;
    await ask(4);
    expect(held).toHaveLength(0);
    await ask(5);
    // It was served before.
    expect(held[0]?.of).toBe('customer');
    expect(begun).toBe(4);
  });

  it('nothing is done for a caller that went away while it waited', async () => {
    await answerWith(() => 401);
    await ask(1);
    await ask(2);
    caller.destroy();
    await eventually(async () =>
      expect(await new Promise((resolve) => server.getConnections((_, open) => resolve(open)))).toBe(0),
    );
    held.shift()?.run();
    expect(begun).toBe(1);
  });

  it('a probe never waits', async () => {
    await answerWith(() => 503, { forProbes: true });
    for (let count = 1; count <= 3; count += 1) await ask(count);
    expect([begun, held.length]).toEqual([3, 0]);
  });
});
