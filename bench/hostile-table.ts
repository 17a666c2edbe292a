import { gzipSync } from 'node:zlib';
import { recordLimits } from '../src/limits.ts';

/** Bodies that a caller with one instance's key may send to harm the others. */

export interface HostileBody {
  readonly path: 'webhooks' | 'inventory';
  readonly headers: Readonly<Record<string, string>>;
  readonly bytes: Uint8Array;
  /** Bodies of further connections, each with one of its own; without them all send the first. */
  readonly others?: readonly Uint8Array[];
}

const json = { 'content-type': 'application/json' };
const xml = { 'content-type': 'text/xml' };
const ndjson = { 'content-type': 'application/x-ndjson' };
const packed = { 'content-encoding': 'gzip' };

const webhook = (text: string, headers = json): HostileBody => ({
  path: 'webhooks',
  headers,
  bytes: Buffer.from(text),
});
const push = (text: string | Buffer, headers: Record<string, string> = json): HostileBody => ({
  path: 'inventory',
  headers,
  bytes: Buffer.from(text),
});
const gzip = ({ bytes, headers, path }: HostileBody): HostileBody => ({
  path,
  headers: { ...headers, ...packed },
  bytes: gzipSync(bytes),
});

const group = (event: object): string =>
  JSON.stringify({
    webhook: { id: 1, name: 'n', webhookEvent: 'SmartGroupComputerMembershipChange' },
    event: { name: 'g', smartGroup: true, jssid: 9, computer: true, ...event },
  });
const count = <T>(length: number, of: (at: number) => T): T[] => Array.from({ length }, (_, at) => of(at));
const shown = (id: number) => ({
  id,
  'Computer Name': `mac-${id}`,
  'Serial Number': `C02XXXXX${id}`,
  Managed: 'Managed',
  'Last Inventory Update': '2026-11-28 10:00:00',
  Username: `user.${id}@contoso.test`,
});
const brackets = (half: number): Buffer => Buffer.concat([Buffer.alloc(half, '['), Buffer.alloc(half, ']')]);
const wideObject = (members: number): string => `{${count(members, (at) => `"k${at}":{}`).join(',')}}`;
const event = (inner: string): string =>
  `<JSSEvent><webhook><webhookEvent>SmartGroupComputerMembershipChange</webhookEvent></webhook><event>${inner}</event></JSSEvent>`;
const largeRecord = (at: number): string =>
  `{"id":${at + 1},"applications":[${count(2_000, (one) => `{"name":"a${one}","version":"1.0"}`).join(',')}]}`;

const sideBySide = (bodies: readonly [HostileBody, ...HostileBody[]]): HostileBody => ({
  ...bodies[0],
  others: bodies.slice(1).map(({ bytes }) => bytes),
});
/** Nearly all of it is kept; of another computer each, or a statement would take one of them. */
const keptRecord = (id: number): HostileBody =>
  gzip(push(`{"id":${id},"general":{"name":"${'x'.repeat(recordLimits.keptBytes - 100)}"}}`));

/** By name, made when they are asked for. */
export const hostileBodies: Readonly<Record<string, () => HostileBody>> = {
  'webhook, 10 MB of [': () => webhook(`{"event":${'['.repeat(10_000_000)}`),
  'webhook, 550,000 elements': () => webhook(`{"event":[${'{},'.repeat(290_000)}1]}`),
  'webhook, wide objects': () => webhook(`{"event":[${count(30, () => wideObject(9_000)).join(',')}]}`),
  'webhook, one long text': () => webhook(`{"event":"${'x'.repeat(10_000_000)}"}`),
  'webhook, white space': () => webhook(`{"event":${' '.repeat(10_000_000)}1}`),
  'webhook, 100,000 ids': () => webhook(group({ groupAddedDevicesIds: count(100_000, (at) => at + 1) })),
  'webhook, 100,000 ids as text': () =>
    webhook(group({ groupAddedDevicesIds: count(100_000, (at) => at + 1).join(', ') })),
  'webhook, 500,000 bad ids': () => webhook(group({ groupAddedDevicesIds: count(500_000, () => -1) })),
  'webhook, 45,000 with fields': () =>
    webhook(group({ groupAddedDevices: count(45_000, (at) => shown(at + 1)) })),
  'webhook, XML of 550,000 <a/>': () => webhook(event('<a/>'.repeat(550_000)), xml),
  'webhook, XML nested deep': () => webhook('<a>'.repeat(3_000_000), xml),
  'webhook, XML with 100,000 ids': () =>
    webhook(
      event(count(100_000, (at) => `<groupAddedDevicesIds>${at + 1}</groupAddedDevicesIds>`).join('')),
      xml,
    ),
  'webhook, XML of comments': () => webhook(event('<!---->'.repeat(1_400_000)), xml),
  'push, 10 MB of [': () => push('['.repeat(10_000_000)),
  'push, 10,000 small records': () => push(`[${count(10_000, (at) => `{"id":${at + 1}}`).join(',')}]`),
  'push, records of 70 KB': () => push(count(140, largeRecord).join('\n'), ndjson),
  'push, one wide record': () => push(`[{"id":1,"general":${wideObject(700_000)}}]`),
  'push, one long record': () => push(`{"id":1,"x":"${'x'.repeat(10_000_000)}"}`),
  'push, bad lines': () => push('x\n'.repeat(9_999), ndjson),
  'gzip of 50 M [ and 50 M ]': () => gzip(push(brackets(50_000_000))),
  'gzip of 50 M [ and 50 M ], NDJSON': () => gzip(push(brackets(50_000_000), ndjson)),
  'gzip of 100 MB empty lines': () => gzip(push(Buffer.alloc(100_000_000, '\n'), ndjson)),
  'gzip of a 100 MB record': () => gzip(push(`{"id":1,"x":"${'x'.repeat(100_000_000)}"}`)),
  'gzip of 50 MB of wide records': () =>
    gzip(push(count(8, () => `{"id":1,"x":${wideObject(500_000)}}`).join('\n'), ndjson)),
  'one record of 1 MiB, gzip, 64 times': () =>
    sideBySide([keptRecord(1), ...count(63, (at) => keptRecord(at + 2))]),
  'gzip of 1,400 records of 70 KB': () => gzip(push(count(1_400, largeRecord).join('\n'), ndjson)),
};
