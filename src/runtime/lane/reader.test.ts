/** A kept request never changes how the next is read: that is compared with Node in request.test.ts. */

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readGuid } from '../../routing/guid-words.ts';
import { routeKey } from '../../routing/route-table.ts';
import { createLaneReader, type LaneReader, type LaneRequest } from './reader.ts';
import { readUnprovedRequest } from './request.ts';

const guidOf = (digit: string): string => [8, 4, 4, 4, 12].map((length) => digit.repeat(length)).join('-');
const textOf = (parts: {
  tenant?: string;
  device?: string;
  call?: string;
  token?: string;
  more?: readonly string[];
}): string => {
  const {
    call = 'compliance',
    device = guidOf('d'),
    more = [],
    tenant = guidOf('a'),
    token = 'a.b-c._d',
  } = parts;
  const [method, length] = call === 'recalculate' ? ['POST', ['Content-Length: 0']] : ['GET', []];
  return [
    `${method} /t/${tenant}/devices/${device}/${call} HTTP/1.1`,
    'Host: gateway.example.test',
    `Authorization: Bearer ${token}`,
    ...length,
    ...more,
    '\r\n',
  ].join('\r\n');
};
const bytesOf = (text: string): Buffer => Buffer.from(text, 'latin1');

/** Fails unless the reader says what a reader says that never saw another request; whether it was read by what was kept. */
function expectAsAlone(reader: LaneReader, bytes: Buffer): boolean {
  const alone = readUnprovedRequest(bytes);
  const read = reader.read(bytes);
  const shown = JSON.stringify(bytes.toString('latin1'));
  const without = (request: Partial<LaneRequest> | undefined) =>
    request && { ...request, repeats: undefined };
  expect({ shown, read: without(read) }).toEqual({ shown, read: without(alone) });
  if (read?.repeats === undefined) return false;
  const key = routeKey();
  expect(readGuid(read.tenantId, key, 0) && readGuid(read.deviceId, key, 4)).toBe(true);
  expect([...read.repeats.key]).toEqual([...key]);
  return true;
}
const readerAfter = (...texts: readonly string[]): LaneReader => {
  const reader = createLaneReader(undefined);
  for (const text of texts) reader.read(bytesOf(text));
  return reader;
};

describe('of a connection whose caller repeats itself', () => {
  test('another device is read by what was kept, and it is the same for all that follow', () => {
    const reader = readerAfter(textOf({}));
    const first = reader.read(bytesOf(textOf({ device: guidOf('1') })))?.repeats;
    const second = reader.read(bytesOf(textOf({ device: guidOf('2') })))?.repeats;
    expect(first?.headers).toBeDefined();
    expect(second?.headers).toBe(first?.headers);
    expect(expectAsAlone(reader, bytesOf(textOf({ device: guidOf('3') })))).toBe(true);
  });

  test('a digest is made once for the same token, and of it', () => {
    const hashed: string[] = [];
    const reader = createLaneReader((token) => {
      hashed.push(token);
      return `digest of ${token}`;
    });
    const hashOf = (token: string, device: string, more: string[] = []): string | undefined =>
      reader.read(bytesOf(textOf({ token, device: guidOf(device), more })))?.tokenHash;
    for (const device of ['1', '2', '3']) expect(hashOf('one.token.x', device)).toBe('digest of one.token.x');
    expect(hashOf('one.token.x', '3', ['X-Request-Id: 7'])).toBe('digest of one.token.x');
    expect(hashed).toEqual(['one.token.x']);
    expect(hashOf('one.token.y', '3')).toBe('digest of one.token.y');
    expect(hashOf('one.token.x', '3')).toBe('digest of one.token.x');
    expect(hashed).toEqual(['one.token.x', 'one.token.y', 'one.token.x']);
    reader.forget();
    expect(hashOf('one.token.x', '3')).toBe('digest of one.token.x');
    expect(hashed).toHaveLength(4);
  });

  test('the bytes of the last request are those that were read, and are gone when they are forgotten', () => {
    const reader = createLaneReader(undefined);
    const bytes = bytesOf(textOf({}));
    for (const device of ['1', '2', '3']) {
      bytesOf(textOf({ device: guidOf(device) })).copy(bytes);
      reader.read(bytes);
      bytes.fill(0);
      expect(reader.last().toString('latin1')).toBe(textOf({ device: guidOf(device) }));
    }
    reader.forget();
    expect(reader.last()).toHaveLength(0);
    expect(reader.forget()).toBe(false);
    expect(expectAsAlone(reader, bytesOf(textOf({})))).toBe(false);
    expect(expectAsAlone(reader, bytesOf(textOf({})))).toBe(true);
  });

  test.each<[string, Parameters<typeof textOf>[0]]>([
    ['token', { token: 'a.b-c._e' }],
    ['longer token', { token: 'a.b-c._de' }],
    ['tenant', { tenant: guidOf('b') }],
    ['call', { call: 'inventory' }],
    ['method', { call: 'recalculate' }],
    ['header', { more: ['Accept: a/b'] }],
    ['value', { more: ['X-Request-Id: 2'] }],
  ])('another %s is not', (_, parts) => {
    const reader = readerAfter(textOf({ more: ['X-Request-Id: 1'] }));
    expect(expectAsAlone(reader, bytesOf(textOf(parts)))).toBe(false);
  });

  test.each([
    'a\r\nAccept: evil/1',
    'a\r\n\r\nGET / HTTP/1.1\r\nHost: b',
    'a\r\nTransfer-Encoding: chunked',
    'a\r',
    'a\n',
    '\r\n',
    '',
    'a b',
    'é',
  ])('nothing hides in the token %j', (token) => {
    expectAsAlone(readerAfter(textOf({})), bytesOf(textOf({ token })));
  });

  test('a header that differs every time is read as ever', () => {
    const reader = createLaneReader(undefined);
    for (let number = 0; number < 300; number += 1) {
      expectAsAlone(reader, bytesOf(textOf({ more: [`client-request-id: ${number}`] })));
    }
    // The reader notices in the end when requests differ no more.
    let served = 0;
    for (let number = 0; number < 3_000; number += 1) {
      if (expectAsAlone(reader, bytesOf(textOf({ device: guidOf(String(number % 10)) })))) served += 1;
    }
    expect(served).toBeGreaterThan(1_000);
  });

  test('every single byte, changed to every value, after the same request', { timeout: 600_000 }, () => {
    const good = bytesOf(textOf({ more: ['Connection: keep-alive', 'Accept: a, b'] }));
    for (let at = 0; at < good.length; at += 1) {
      for (let value = 0; value < 256; value += 1) {
        const copy = Buffer.from(good);
        copy[at] = value;
        const reader = readerAfter(good.toString('latin1'));
        expectAsAlone(reader, copy);
        if (value % 16 === 0) expectAsAlone(reader, good);
      }
    }
  });

  test('random changes at any place between the requests of one connection', { timeout: 600_000 }, () => {
    const piece = fc.constantFrom(
      '\r',
      '\n',
      '\r\n',
      '\0',
      ' ',
      ':',
      ': ',
      '\x80',
      'x',
      '\r\n\r\n',
      'Bearer ',
      'Host: b\r\n',
    );
    const edit = fc.record({ at: fc.nat(600), drop: fc.nat(3), put: fc.option(piece, { nil: '' }) });
    const request = fc
      .record({
        tenant: fc.constantFrom(...Array.from({ length: 7 }, () => guidOf('a')), guidOf('b')),
        device: fc.constantFrom(...[...'0123456789abcdef'].map(guidOf)),
        call: fc.constantFrom(...Array.from({ length: 7 }, () => 'compliance'), 'inventory', 'recalculate'),
        token: fc.constantFrom('a.b.c', 'a.b.d', 'longer.token.abc'),
        more: fc.constantFrom(
          ...Array.from({ length: 5 }, () => []),
          ['Accept: a'],
          ['traceparent: 0', 'Accept: b'],
        ),
      })
      .map(textOf);
    const edited = fc
      .tuple(request, fc.oneof({ weight: 2, arbitrary: fc.constant([]) }, fc.array(edit, { maxLength: 2 })))
      .map(([text, edits]) =>
        edits.reduce(
          (now, { at, drop, put }) =>
            now.slice(0, at % now.length) + put + now.slice((at % now.length) + drop) || 'x',
          text,
        ),
      );
    let served = 0;
    fc.assert(
      fc.property(fc.array(edited, { minLength: 2, maxLength: 12 }), (texts) => {
        const reader = createLaneReader(undefined);
        for (const text of texts) if (expectAsAlone(reader, bytesOf(text))) served += 1;
      }),
      { numRuns: Number(process.env.ESPALIER_FUZZ_RUNS ?? 2_000) },
    );
    expect(served).toBeGreaterThan(500);
  });
});
