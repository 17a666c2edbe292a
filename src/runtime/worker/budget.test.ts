import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, it, onTestFinished } from 'vitest';
import { createExchange } from '../../jamf/exchange.ts';
import { createAddressPolicy, parseAllowEntry } from '../../outbound/addresses.ts';
import {
  type OutboundFailure,
  type OutboundRequest,
  type OutboundResponse,
  sendFor,
} from '../../outbound/port.ts';
import { createWorkersSend } from '../../outbound/workers.ts';
import { createBudget, sliceLimits } from './budget.ts';

const request: OutboundRequest = {
  method: 'GET',
  url: 'https://jamf.example',
  timeoutMs: 1_000,
  addresses: 'checked',
};
const reset: OutboundFailure = { ok: false, failure: 'reset', detail: '' };

it('is over by time or by requests, and new with each slice', async () => {
  let nowMs = 0;
  const budget = createBudget({ sliceMs: 100, requests: 2, atOnce: 3, ofTenant: 2 }, () => nowMs);
  const send = budget.counted(async () => reset);
  await send(request);
  expect(budget.isOver()).toBe(false);
  await send(request);
  expect(budget.isOver()).toBe(true);
  budget.begin();
  expect(budget.isOver()).toBe(false);
  nowMs = 100;
  expect(budget.isOver()).toBe(true);
  budget.begin();
  expect(budget.isOver()).toBe(false);
});

it('lets so many requests out at a time, and the next where one has failed', async () => {
  const budget = createBudget({ sliceMs: 100, requests: 100, atOnce: 2, ofTenant: 2 }, () => 0);
  const under: PromiseWithResolvers<OutboundFailure>[] = [];
  const send = budget.counted(() => {
    const one = Promise.withResolvers<OutboundFailure>();
    under.push(one);
    return one.promise;
  });
  const sent = Array.from({ length: 4 }, () => send(request).catch((error: unknown) => error));
  const settled = () => new Promise((resolve) => setImmediate(resolve));
  await settled();
  expect(under).toHaveLength(2);
  under[0]?.reject(new Error('it threw'));
  expect(await sent[0]).toBeInstanceOf(Error);
  await settled();
  expect(under).toHaveLength(3);
  for (const one of under) one.resolve(reset);
  await sent[2];
  await settled();
  under[3]?.resolve(reset);
  expect(await Promise.all(sent.slice(1))).toEqual([reset, reset, reset]);
});

/** A service that answers at once, holds its answer, or stops in the middle of one, as the path says. */
async function startService() {
  const paths: string[] = [];
  const server = createServer((incoming, answer) => {
    const path = incoming.url ?? '';
    paths.push(path);
    if (path.startsWith('/hang')) return;
    answer.writeHead(200, { 'content-type': 'application/json' });
    if (path.startsWith('/half')) answer.write('{');
    else answer.end('{}');
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  onTestFinished(async () => {
    server.closeAllConnections();
    await new Promise((closed) => server.close(closed));
  });
  const { port } = server.address() as AddressInfo;
  return { paths, baseUrl: `http://127.0.0.1:${port}` };
}

function outside(baseUrl: string, timeoutMs: number) {
  const allowed = parseAllowEntry('127.0.0.1');
  const policy = createAddressPolicy(allowed ? [allowed] : []);
  const budget = createBudget(sliceLimits, () => 0);
  const send = budget.counted(createWorkersSend(policy));
  const exchangeOf = (tenantId: string) =>
    createExchange({ ...{ baseUrl, timeoutMs }, send: sendFor(tenantId, send), randomRequestId: () => 'r' });
  return { send, exchangeOf };
}
const get = (path: string) => ({ method: 'GET' as const, path, answerMaxBytes: 1_000 });

it('leaves a place to the neighbour of a tenant whose instances hang', async () => {
  const { baseUrl, paths } = await startService();
  const { exchangeOf } = outside(baseUrl, 1_000);
  let ended = 0;
  const slow = exchangeOf('slow');
  const hanging = Array.from({ length: 5 }, async (_, index) => {
    const answer = await slow(get(`/hang/${index}`));
    ended += 1;
    return answer;
  });
  const answers = await Promise.all(
    Array.from({ length: 4 }, (_, index) => exchangeOf('neighbour')(get(`/answer/${index}`))),
  );
  expect(answers.map(({ ok }) => ok)).toEqual([true, true, true, true]);
  expect(ended).toBe(0);
  expect(paths.filter((path) => path.startsWith('/hang'))).toHaveLength(2);
  for (const answer of await Promise.all(hanging)) expect(answer).toMatchObject({ failure: 'timeout' });
});

it('does not let the wait for a place count against an exchange', async () => {
  const { baseUrl } = await startService();
  const { exchangeOf } = outside(baseUrl, 100);
  const slow = exchangeOf('slow');
  const all = Array.from({ length: 14 }, (_, index) => slow(get(`/hang/${index}`)));
  // Seven times the time that a request may take: longer than an exchange with its body.
  const last = slow(get('/answer'));
  expect(await last).toMatchObject({ ok: true });
  await Promise.all(all);
});

it('keeps the place until the answer is read, given up or left alone for too long', async () => {
  const { baseUrl, paths } = await startService();
  const { send } = outside(baseUrl, 100);
  const ask = (path: string) =>
    send({ ...request, url: `${baseUrl}${path}`, timeoutMs: 100, tenantId: 'one' });
  const [read, left] = await Promise.all([ask('/half/1'), ask('/half/2')]);
  const next = ask('/answer/3');
  await new Promise((resolve) => setImmediate(resolve));
  expect(paths).toHaveLength(2);
  if (!read?.ok || !left?.ok) throw new Error('both were to answer');
  await read.discard();
  const third = await next;
  // Nobody reads the second answer nor the third.
  expect(third.ok).toBe(true);
  expect(await ask('/answer/4')).toMatchObject({ ok: true });
});

it('gives a place to what goes aside, whose end is none of delivery', async () => {
  let nowMs = 0;
  const budget = createBudget(sliceLimits, () => nowMs);
  const held = Promise.withResolvers<OutboundResponse>();
  const answer = { ok: true, status: 401, headers: new Headers() } as OutboundResponse;
  let asked = 0;
  const send = async () => {
    asked += 1;
    return held.promise;
  };
  const aside = [1, 2, 3].map(() => budget.aside(send)(request));
  const counted = budget.counted(send)({ ...request, tenantId: 'one' });
  await new Promise((resolve) => setImmediate(resolve));
  // Two of three places for a host, as for a tenant.
  expect(asked).toBe(3);
  nowMs = 7;
  held.resolve(answer);
  await counted;
  expect(budget.sinceEndMs()).toBe(0);
  nowMs = 9;
  await Promise.all(aside);
  await budget.aside(send)(request);
  expect(budget.sinceEndMs()).toBe(2);
});

it('gives the place of a refused token back at once, for the second try comes before its answer is read', async () => {
  const budget = createBudget(sliceLimits, () => 0);
  let asked = 0;
  const send = budget.counted(async () => {
    asked += 1;
    return { ok: true, status: 401, headers: new Headers() } as OutboundResponse;
  });
  for (let index = 0; index < 4; index += 1) await send({ ...request, tenantId: 'one' });
  expect(asked).toBe(4);
});
