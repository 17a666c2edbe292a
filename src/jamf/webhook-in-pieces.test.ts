import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createTurns } from '../untrusted/turns.ts';
import { parseWebhook, readWebhook, type WebhookResult } from './webhook.ts';

/** A large webhook is read while it arrives, and means what it would mean as a whole. */
const utf8 = new TextEncoder();

async function* cut(body: Uint8Array, sizes: readonly number[]): AsyncGenerator<Uint8Array> {
  for (let at = 0, turn = 0; at < body.length; turn += 1) {
    const size = sizes[turn % sizes.length] ?? 1;
    yield body.subarray(at, at + size);
    at += size;
  }
}

const inPieces = (body: string | Uint8Array, sizes: readonly number[] = [65_536]): Promise<WebhookResult> =>
  readWebhook(
    cut(typeof body === 'string' ? utf8.encode(body) : body, sizes),
    'application/json',
    createTurns().work('berlin'),
  );
const membership = (event: unknown) =>
  JSON.stringify({ webhook: { id: 1, webhookEvent: 'SmartGroupComputerMembershipChange' }, event });
const many = (count: number) => Array.from({ length: count }, (_, at) => at + 1);
const idsOf = (result: WebhookResult): number[] =>
  result.ok ? result.webhook.computers.map(({ jamfComputerId }) => Number(jamfComputerId)) : [];

describe('a webhook in pieces', () => {
  const sizes = fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 6 });
  const names = fc.constantFrom(
    'jssID',
    'computer',
    'groupAddedDevicesIds',
    'groupRemovedDevices',
    '__proto__',
    'é',
  );

  it('means what it means as a whole', async () => {
    const value = fc.oneof(fc.jsonValue({ maxDepth: 3 }), fc.array(fc.integer({ min: 1, max: 9 })));
    const event = fc.oneof(fc.dictionary(names, value), value);
    const kinds = fc.constantFrom('ComputerAdded', 'SmartGroupComputerMembershipChange', 'JSSStartup', 'x');
    await fc.assert(
      fc.asyncProperty(
        kinds,
        event,
        sizes,
        fc.constantFrom(undefined, 1),
        async (kind, payload, pieces, space) => {
          const body = JSON.stringify({ webhook: { webhookEvent: kind }, event: payload }, null, space);
          expect(await inPieces(body, pieces)).toEqual(parseWebhook(body, 'application/json'));
        },
      ),
      { numRuns: 300 },
    );
  });

  it('begins after spaces of the format alone, and so it does as a whole', async () => {
    const json = membership({ name: 'x', groupAddedDevicesIds: [1] });
    const xml =
      '<JSSEvent><webhook><webhookEvent>ComputerAdded</webhookEvent></webhook><event><jssID>1</jssID></event></JSSEvent>';
    for (const body of [json, xml])
      for (const [before, after, ids] of [
        [' \t\r\n', '\r\n', [1]],
        ['\u00a0', '', []],
        ['\ufeff\ufeff', '', []],
        ['\u2028', '', []],
      ] as const) {
        expect(idsOf(await inPieces(before + body + after))).toEqual(ids);
        expect(idsOf(parseWebhook(before + body + after, 'application/json'))).toEqual(ids);
      }
    const open = `${json}\u00a0`;
    expect(parseWebhook(open, 'application/json').ok).toBe((await inPieces(open)).ok);
  });

  it('loses nothing for a name that begins with a NUL or what looks like a mark', async () => {
    for (const name of ['\u0000Müller', '\u0000Müllerx', `\u0000${'x'.repeat(201)}`, '\uFEFFMüller']) {
      const body = membership({ name: 'x', groupAddedDevicesIds: [1] }).replace('"x"', `"${name}"`);
      expect(idsOf(await inPieces(body))).toEqual([1]);
      const xml = `<JSSEvent><webhook><webhookEvent>ComputerAdded</webhookEvent></webhook><event><n>${name}</n><jssID>1</jssID></event></JSSEvent>`;
      expect(idsOf(await inPieces(xml))).toEqual([1]);
    }
  });

  it('reads XML cut anywhere', async () => {
    const xml = `\uFEFF<?xml version="1.0" encoding="UTF-8"?><!-- a - b -- c --><j:JSSEvent xmlns:j='x>"y'>
<webhook><id>2</id><name>R&amp;D <![CDATA[<&amp;>]]]]></name><webhookEvent>SmartGroupComputerMembershipChange</webhookEvent></webhook>
<event><computer>true</computer><Computer Name>Joe's é</Computer Name><groupAddedDevicesIds a="/>">4</groupAddedDevicesIds>
<groupAddedDevicesIds>&#53;</groupAddedDevicesIds><groupRemovedDevicesIds/></event></j:JSSEvent>\n<!-- end -->`;
    const whole = parseWebhook(xml, 'text/xml');
    expect(idsOf(whole)).toEqual([4, 5]);
    expect(whole).toMatchObject({ webhook: { webhookName: 'R&D <&amp;>]]' } });
    for (let size = 1; size < 20; size += 1) expect(await inPieces(xml, [size])).toEqual(whole);
  });

  it('reads a hundred thousand computers, however they are listed, in any encoding', async () => {
    const ids = many(100_000);
    const bodies = [
      membership({ computer: true, groupAddedDevicesIds: ids, groupRemovedDevicesIds: ids.slice(0, 50_000) }),
      membership({ groupAddedDevicesIds: ids.map(String) }),
      membership({ groupAddedDevicesIds: ids.join(', ') }),
      membership({ groupAddedDevicesIds: { int: ids } }),
      membership({ groupAddedDevices: ids.map((id) => ({ id })) }),
      `<JSSEvent><webhook><webhookEvent>SmartGroupComputerMembershipChange</webhookEvent></webhook><event>${ids
        .map((id) => `<groupAddedDevicesIds>${id}</groupAddedDevicesIds>`)
        .join('')}</event></JSSEvent>`,
    ];
    for (const body of bodies) {
      expect(idsOf(await inPieces(body))).toEqual(ids);
    }
    const utf16 = Buffer.from(`\uFEFF${bodies[0]}`, 'utf16le');
    expect(idsOf(await inPieces(utf16, [999]))).toEqual(ids);
    const latin1 = Buffer.from(membership({ name: 'Büro', groupAddedDevicesIds: ids }), 'latin1');
    expect(idsOf(await inPieces(latin1))).toEqual(ids);
  }, 60_000);

  it('is refused as too large where it is deeper, wider or longer than any event', async () => {
    const xml = (inner: string) => `<JSSEvent>${inner}</JSSEvent>`;
    const bodies = [
      membership({ groupAddedDevicesIds: many(200_001) }),
      `{"event":${'['.repeat(1_000_000)}`,
      `{"event":${'{"a":'.repeat(1_000_000)}`,
      `{"event":[${'1,'.repeat(700_000)}1]}`,
      `{"event":[[${'1,'.repeat(60_000)}1]]}`,
      `{"event":{${many(20_000)
        .map((at) => `"k${at}":1`)
        .join(',')}}}`,
      `{"event":"${'x'.repeat(2_000_000)}"}`,
      xml('<a/>'.repeat(600_001)),
      xml('<a>'.repeat(20)),
      xml(
        many(20_000)
          .map((at) => `<k${at}/>`)
          .join(''),
      ),
      xml(`<a>${'x'.repeat(2_000_000)}</a>`),
      xml(`<${'a'.repeat(5_000)}/>`),
    ];
    for (const body of bodies) expect(await inPieces(body)).toMatchObject({ ok: false, isTooLarge: true });
    for (const body of [
      '<!DOCTYPE x>',
      '<JSSEvent><a></b></JSSEvent>',
      '{"a":1}}',
      '',
      '  ',
      '[1]',
      '{"a" 1}',
    ]) {
      expect(await inPieces(body)).toEqual(expect.objectContaining({ ok: false, isTooLarge: undefined }));
    }
  }, 60_000);
});
