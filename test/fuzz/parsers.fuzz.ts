import fc from 'fast-check';
import { describe, expect } from 'vitest';
import { readRows } from '../../src/admin/devices/transfer/read-rows.ts';
import { readFilter } from '../../src/admin/filter.ts';
import type { FilterFields } from '../../src/admin/filter-fields.ts';
import { parseFiles } from '../../src/cli/declared/parse.ts';
import { builtInClouds, type Cloud } from '../../src/entra/clouds.ts';
import { verifyCallerToken } from '../../src/entra/verify.ts';
import { parseComputer } from '../../src/jamf/inventory.ts';
import { parseWebhook, readWebhook } from '../../src/jamf/webhook.ts';
import { ProblemError } from '../../src/problems.ts';
import { readProxyHeader } from '../../src/runtime/balancer/proxy-protocol.ts';
import { reports } from '../../src/store/schema.ts';
import { parseBoundedJson } from '../../src/untrusted/bounded-json.ts';
import { turnsApart } from '../../src/untrusted/turns.ts';
import { anyText } from '../harness/schema-arbitrary.ts';
import { damaged, fuzz, watchUnhandled } from './fuzzing.ts';

/** What strangers and customers send, read by the product's own readers: an answer of theirs or their own fault, and soon. */

watchUnhandled();

/** Far more than any of these inputs needs, and far less than a reader that does not end. */
const boundMs = 5_000;
async function soon<T>(read: () => Promise<T> | T): Promise<T> {
  const beganMs = performance.now();
  const result = await read();
  expect(performance.now() - beganMs).toBeLessThan(boundMs);
  return result;
}

async function* inPieces(text: string, lengths: readonly number[]): AsyncGenerator<Uint8Array> {
  const bytes = Buffer.from(text, 'utf8');
  for (let at = 0, turn = 0; at < bytes.length; turn += 1) {
    const length = 1 + (lengths[turn % lengths.length] ?? 0);
    yield bytes.subarray(at, at + length);
    at += length;
  }
}
const cuts = fc.array(fc.nat(60), { minLength: 1, maxLength: 6 });

const jsonSigns = [
  '{',
  '}',
  '[',
  ']',
  '"',
  '\\',
  ',',
  ':',
  '0',
  '-',
  'e',
  '\0',
  '\ufeff',
  '\\ud800',
  'null',
  '1e999',
];
const webhookJson = fc
  .record({
    webhook: fc.record({
      id: fc.oneof(fc.nat(), anyText),
      webhookEvent: fc.oneof(
        fc.constantFrom(
          'ComputerCheckIn',
          'ComputerInventoryCompleted',
          'SmartGroupComputerMembershipChange',
        ),
        anyText,
      ),
      eventTimestamp: fc.oneof(fc.nat(), anyText),
    }),
    event: fc.oneof(
      fc.record({ jssID: fc.oneof(fc.nat(), anyText), udid: anyText, deviceName: anyText }),
      fc.record({ computer: fc.boolean(), groupAddedDevicesIds: fc.array(fc.oneof(fc.nat(), anyText)) }),
      fc.jsonValue(),
    ),
  })
  .map((value) => JSON.stringify(value));
const xmlSigns = [
  '<',
  '>',
  '</',
  '/>',
  '&amp;',
  '&',
  '&#0;',
  '&#x110000;',
  '<![CDATA[',
  ']]>',
  '<!--',
  '<!DOCTYPE x>',
  '<?',
];
const webhookXml = fc
  .record({ event: anyText, id: fc.oneof(fc.nat().map(String), anyText), more: anyText })
  .map(
    ({ event, id, more }) =>
      `<?xml version="1.0"?><JSSEvent><webhook><id>1</id><webhookEvent>${event}</webhookEvent></webhook><event><jssID>${id}</jssID><deviceName>${more}</deviceName></event></JSSEvent>`,
  );

describe('readers', () => {
  for (const [name, texts, signs, type] of [
    ['JSON', webhookJson, jsonSigns, 'application/json'],
    ['XML', webhookXml, xmlSigns, 'text/xml'],
  ] as const)
    fuzz(`a webhook in ${name} is read or refused, whole and in pieces alike`, 'parser', () =>
      fc.asyncProperty(damaged(texts, signs), cuts, async (text, lengths) => {
        // Before it is text, a body with a zero byte among its first is taken for UTF-16.
        fc.pre(!text.slice(0, 4).includes('\0'));
        const whole = await soon(() => parseWebhook(text, type));
        const pieces = await soon(() => readWebhook(inPieces(text, lengths), type, turnsApart.work('t')));
        expect(pieces.ok).toBe(whole.ok);
        if (whole.ok && pieces.ok)
          expect(pieces.webhook.computers.map(({ jamfComputerId }) => jamfComputerId)).toEqual(
            whole.webhook.computers.map(({ jamfComputerId }) => jamfComputerId),
          );
        if (whole.ok)
          for (const { jamfComputerId } of whole.webhook.computers)
            expect(/^[1-9]\d*$/.test(jamfComputerId)).toBe(true);
      }),
    );

  const record = fc
    .record(
      {
        id: fc.oneof(fc.nat().map(String), fc.nat(), anyText),
        udid: anyText,
        general: fc.oneof(
          fc.record({ reportDate: anyText, name: anyText, managementId: anyText }),
          fc.jsonValue(),
        ),
        localUserAccounts: fc.oneof(
          fc.array(fc.record({ computerAzureActiveDirectoryId: anyText, username: anyText })),
          fc.jsonValue(),
        ),
        hardware: fc.jsonValue(),
        groupMemberships: fc.jsonValue(),
      },
      { requiredKeys: [] },
    )
    .map((value) => JSON.stringify(value));
  fuzz('an inventory record is read or refused, with an id that is one', 'parser', () =>
    fc.asyncProperty(damaged(record, jsonSigns), async (text) => {
      let value: unknown;
      try {
        value = parseBoundedJson(text);
      } catch (error) {
        expect(error).toBeInstanceOf(Error);
        return;
      }
      const result = await soon(() => parseComputer(value));
      if (result.ok) expect(/^[1-9]\d*$/.test(result.computer.jamfComputerId)).toBe(true);
    }),
  );

  const fields: FilterFields = {
    tenantId: { type: 'uuid', column: reports.tenantId },
    state: { type: 'enum', column: reports.state, values: ['due', 'failed'] },
    reason: { type: 'text', column: reports.reason, wildcards: true },
    updatedAt: { type: 'timestamp', column: reports.updatedAt },
  };
  const comparison = fc
    .tuple(
      fc.constantFrom('tenantId', 'state', 'reason', 'updatedAt', 'nothing'),
      fc.constantFrom('==', '!=', '>', '>=', '=in=', '=out=', '=like='),
      fc.oneof(
        anyText.map((text) => JSON.stringify(text)),
        fc.constantFrom('due', '(due,failed)', '2026-01-01', '*a*'),
      ),
    )
    .map((parts) => parts.join(''));
  const filter = fc
    .array(fc.tuple(comparison, fc.constantFrom(';', ',', ' and ', ' or ', ';(')), {
      minLength: 1,
      maxLength: 60,
    })
    .map((parts) => parts.flat().slice(0, -1).join(''));
  fuzz('an RSQL filter is a condition or faults that name what is wrong', 'parser', () =>
    fc.asyncProperty(damaged(filter, ['(', ')', ';', ',', '=', '"', "'", '\\']), async (text) => {
      const result = await soon(() => readFilter(text, fields));
      if (!result.ok) expect(result.errors.length).toBeGreaterThan(0);
    }),
  );

  const base64 = (value: string): string => Buffer.from(value).toString('base64url');
  const cloud = builtInClouds.get('public') as Cloud;
  const tenantId = 'aaaaaaaa-1111-4222-8333-bbbbbbbbbbbb';
  const token = fc
    .tuple(
      damaged(
        fc.constantFrom(
          '{"alg":"RS256","kid":"k"}',
          '{"alg":"none","kid":"k"}',
          '{"alg":"PS256","kid":"k","b64":false}',
        ),
        jsonSigns,
      ),
      damaged(
        fc.constant(`{"aud":"g","iss":"i","tid":"${tenantId}","exp":9999999999,"roles":["Device.Read"]}`),
        jsonSigns,
      ),
      fc.base64String({ maxLength: 400 }),
    )
    .map(([header, payload, signature]) => `${base64(header)}.${base64(payload)}.${signature}`);
  fuzz('a token that nobody signed is refused', 'parser', () =>
    fc.asyncProperty(damaged(token, ['.', '=', '+', '/', ' ', '\0']), async (presented) => {
      const result = await soon(() =>
        verifyCallerToken({
          ...{ token: presented, tenantId, cloud, audiences: ['g'], now: 1_790_000_000_000 },
          keys: { find: async () => ({ ok: true, keys: [] }) },
          signature: { verify: async () => true } as never,
        }),
      );
      expect(result.ok).toBe(false);
    }),
  );

  const instanceId = '3f2504e0-4f89-41d3-9a0c-0305e82c3301';
  const row = fc
    .tuple(
      fc.oneof(fc.uuid(), anyText),
      fc.oneof(fc.constant(instanceId), anyText),
      fc.oneof(fc.nat().map(String), anyText),
      anyText,
    )
    .map((cells) => cells.join(','));
  const csv = fc
    .array(row, { maxLength: 8 })
    .map((rows) => ['deviceId,instanceId,jamfComputerId,serialNumber', ...rows].join('\n'));
  fuzz('a CSV of routes is read row by row, or refused as a whole', 'parser', () =>
    fc.asyncProperty(
      damaged(csv, [',', '"', '\n', '\r\n', '\r', ';', '\t', '=1+1', '\ufeff']),
      cuts,
      async (text, lengths) => {
        try {
          await soon(async () => {
            for await (const rows of readRows(inPieces(text, lengths), 'csv', new Set([instanceId])))
              for (const one of rows) if (!('code' in one)) expect(one.instanceId).toBe(instanceId);
          });
        } catch (error) {
          expect(error).toBeInstanceOf(ProblemError);
        }
      },
    ),
  );

  const yaml = fc
    .record({ name: anyText, url: anyText, more: anyText })
    .map(
      ({ more, name, url }) =>
        `apiVersion: espalier.dev/v1\ntenants:\n  - tenantId: ${tenantId}\n    displayName: &a ${JSON.stringify(name)}\n    instances:\n      - name: *a\n        url: ${JSON.stringify(url)}\n        apiClient: { clientId: abc, secretRef: env:A }\n        ${more}\n`,
    );
  fuzz('YAML of apply is a declaration or faults with their places', 'parser', () =>
    fc.asyncProperty(
      damaged(yaml, ['&a', '*a', '<<', '- ', ': ', '\t', '!!js/function', '|', '>', '{', '[', '---\n', '? ']),
      async (text) => {
        const parsed = await soon(() =>
          parseFiles([{ name: 'a.yaml', text, dir: '/conf' }], () => {
            throw new Error('no such file');
          }),
        );
        for (const { file, problem } of parsed.faults)
          expect([file, problem !== '']).toEqual(['a.yaml', true]);
      },
    ),
  );

  const proxy = fc.constantFrom(
    'PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n',
    'PROXY TCP6 2001:db8::1 ::1 65535 0\r\n',
    'PROXY UNKNOWN\r\n',
    '\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0cabcdefghijkl',
    '\r\n\r\n\0\r\nQUIT\n\x20\x00\0\0',
  );
  fuzz('a PROXY header is read, refused or unfinished, and no longer than it may be', 'parser', () =>
    fc.property(damaged(proxy, ['\r', '\n', '\0', ' ', '\xff', 'PROXY ']), (text) => {
      const bytes = Buffer.from(text, 'latin1');
      const header = readProxyHeader(bytes);
      if (header.kind === 'header') expect(header.bytes).toBeLessThanOrEqual(Math.min(bytes.length, 536));
      if (header.kind === 'more') expect(bytes.length).toBeLessThan(536);
      // Once a beginning is enough to decide, more bytes change nothing.
      if (header.kind !== 'more')
        expect(readProxyHeader(Buffer.concat([bytes, Buffer.from('x')]))).toEqual(header);
    }),
  );
});
