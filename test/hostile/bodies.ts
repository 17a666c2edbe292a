/** Bodies that attack whoever reads them. A row names its attack; bodies.test.ts sends it to the real listeners. */

import { gzipSync } from 'node:zlib';

export type BodyTarget = 'webhook' | 'inventory' | 'tenant' | 'import';

export interface BodyRow {
  readonly attack: string;
  readonly to: BodyTarget;
  readonly type: string;
  readonly body: string | Uint8Array;
  readonly encoding?: string;
  /** Status; what is taken is taken as text, and the test looks at what became of it. */
  readonly status: number;
}

const json = 'application/json';
const xml = 'text/xml';
const csv = 'text/csv';
const row = (
  attack: string,
  to: BodyTarget,
  status: number,
  body: string | Uint8Array,
  type = json,
): BodyRow => ({
  ...{ attack, to, status, body, type },
});

/** No answer may repeat it: it stands where a file or another address would be read. */
export const marker = 'read-from-elsewhere';

const event = (name: string, more = ''): string =>
  `{"webhook":{"id":1,"name":"n","webhookEvent":"${name}"},"event":{"jssID":1,"udid":"","deviceName":"m","serialNumber":""}${more}}`;
const document = (type: string, inner: string): string =>
  `<?xml version="1.0"?>${type}<JSSEvent><webhook><id>1</id><name>n</name><webhookEvent>ComputerCheckIn</webhookEvent></webhook><event>${inner}<jssID>1</jssID></event></JSSEvent>`;

const entities = (levels: number): string =>
  Array.from({ length: levels }, (_, at) => `<!ENTITY e${at + 1} "${`&e${at};`.repeat(10)}">`).join('');

const xmlRows: readonly BodyRow[] = [
  row(
    'a billion laughs',
    'webhook',
    400,
    document(`<!DOCTYPE x [<!ENTITY e0 "ha">${entities(9)}]>`, '<a>&e9;</a>'),
    xml,
  ),
  row(
    'a quadratic blow-up',
    'webhook',
    400,
    document(`<!DOCTYPE x [<!ENTITY e "${'x'.repeat(50_000)}">]>`, '&e;'.repeat(1_000)),
    xml,
  ),
  row(
    'a file as an entity',
    'webhook',
    400,
    document('<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>', '<a>&e;</a>'),
    xml,
  ),
  row(
    'an address as an entity',
    'webhook',
    400,
    document(`<!DOCTYPE x [<!ENTITY e SYSTEM "http://127.0.0.1:1/${marker}">]>`, '<a>&e;</a>'),
    xml,
  ),
  row(
    'an address as a parameter entity',
    'webhook',
    400,
    document(`<!DOCTYPE x [<!ENTITY % e SYSTEM "http://127.0.0.1:1/${marker}"> %e;]>`, ''),
    xml,
  ),
  row(
    'an external definition',
    'webhook',
    400,
    document(`<!DOCTYPE x SYSTEM "http://127.0.0.1:1/${marker}">`, ''),
    xml,
  ),
  row(
    'an entity that nobody defined, which stays text',
    'webhook',
    202,
    document('', '<a>&nothing;</a>'),
    xml,
  ),
  row(
    'an entity that calls itself',
    'webhook',
    400,
    document('<!DOCTYPE x [<!ENTITY e "&e;">]>', '<a>&e;</a>'),
    xml,
  ),
  row(
    'an inclusion',
    'webhook',
    202,
    document(
      '',
      '<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="file:///etc/passwd" parse="text"/>',
    ),
    xml,
  ),
  row(
    'a style sheet',
    'webhook',
    202,
    document('', '').replace('?>', '?><?xml-stylesheet href="http://127.0.0.1:1/x"?>'),
    xml,
  ),
  row('depth', 'webhook', 413, document('', '<a>'.repeat(5_000) + '</a>'.repeat(5_000)), xml),
  row(
    'UTF-16 that hides a definition',
    'webhook',
    400,
    Buffer.from(`\uFEFF${document('<!DOCTYPE x [<!ENTITY e "x">]>', '&e;')}`, 'utf16le'),
    xml,
  ),
  row(
    'an encoding that is not the body’s',
    'webhook',
    202,
    document('', '').replace('"1.0"', '"1.0" encoding="UTF-7"'),
    xml,
  ),
  row('a number of no character, which stays text', 'webhook', 202, document('', '<a>&#0;</a>'), xml),
];

const jsonRows: readonly BodyRow[] = [
  row(
    'members of the prototype',
    'webhook',
    202,
    event('ComputerCheckIn', ',"__proto__":{"isAdmin":true},"constructor":{"prototype":{"isAdmin":true}}'),
  ),
  row(
    'a prototype as the event',
    'webhook',
    400,
    '{"__proto__":{"webhook":{"webhookEvent":"ComputerCheckIn"},"event":{"jssID":1}}}',
  ),
  row(
    'an event said twice',
    'webhook',
    202,
    event('ComputerCheckIn').replace('"event":', '"event":{"jssID":2},"event":'),
  ),
  row('a byte order mark', 'webhook', 202, `\uFEFF${event('ComputerCheckIn')}`),
  row('two byte order marks', 'webhook', 202, `\uFEFF\uFEFF${event('ComputerCheckIn')}`),
  row('UTF-16, read as what it is', 'webhook', 202, Buffer.from(event('ComputerCheckIn'), 'utf16le')),
  row(
    'bytes that are no UTF-8, read as Latin-1',
    'webhook',
    202,
    Buffer.from(event('ComputerCheckIn').replace('"m"', '"\xff\xfe"'), 'latin1'),
  ),
  row(
    'an overlong slash, read as two letters',
    'webhook',
    202,
    Buffer.from(event('ComputerCheckIn').replace('"m"', '"\xc0\xaf"'), 'latin1'),
  ),
  row('a lone surrogate', 'webhook', 202, event('ComputerCheckIn').replace('"m"', '"\\ud800"')),
  row('NUL in a text', 'webhook', 202, event('ComputerCheckIn').replace('"m"', '"\\u0000"')),
  row(
    'a number beyond all numbers',
    'webhook',
    400,
    event('ComputerCheckIn').replace('"jssID":1', '"jssID":1e999'),
  ),
  row('a negative id', 'webhook', 400, event('ComputerCheckIn').replace('"jssID":1', '"jssID":-1')),
  row('a name of the prototype as event', 'webhook', 202, event('__proto__')),
  row('a comment', 'webhook', 400, `/**/${event('ComputerCheckIn')}`),
  row('a value behind the value', 'webhook', 400, `${event('ComputerCheckIn')}{}`),
  row('depth', 'webhook', 400, `{"a":${'['.repeat(5_000)}${']'.repeat(5_000)}}`),
  row('nothing', 'webhook', 400, ''),
  row('null', 'webhook', 400, 'null'),
  row('a text', 'webhook', 400, '"ComputerCheckIn"'),
];

const inventoryRows: readonly BodyRow[] = [
  row('members of the prototype', 'inventory', 202, '{"id":1,"__proto__":{"id":2},"constructor":1}'),
  row('an id said twice', 'inventory', 202, '{"id":1,"id":2}'),
  row('a lone surrogate', 'inventory', 202, '{"id":1,"general":{"name":"\\udfff"}}'),
  row('NUL in a text', 'inventory', 202, '{"id":1,"general":{"name":"a\\u0000b"}}'),
  { ...row('gzip in gzip', 'inventory', 400, gzipSync(gzipSync('{"id":1}'))), encoding: 'gzip' },
  { ...row('no gzip', 'inventory', 400, '{"id":1}'), encoding: 'gzip' },
  { ...row('two codings', 'inventory', 415, gzipSync('{"id":1}')), encoding: 'gzip, gzip' },
  { ...row('a coding that is not offered', 'inventory', 415, '{"id":1}'), encoding: 'br' },
  {
    ...row('gzip of 90 MB of nothing', 'inventory', 400, gzipSync(Buffer.alloc(90_000_000, 10))),
    encoding: 'gzip',
  },
  { ...row('gzip of 120 MB', 'inventory', 413, gzipSync(Buffer.alloc(120_000_000, 32))), encoding: 'gzip' },
];

const tenant = '{"tenantId":"aaaaaaaa-1111-4222-8333-bbbbbbbbbbbb","cloud":"public","displayName":"x"';
const tenantRows: readonly BodyRow[] = [
  row('members of the prototype', 'tenant', 400, `${tenant},"__proto__":{"role":"admin"}}`),
  row('a member that is not known', 'tenant', 400, `${tenant},"role":"admin"}`),
  row('a lone surrogate', 'tenant', 400, `${tenant.replace('"x"', '"\\ud800"')}}`),
  row('NUL in a text', 'tenant', 400, `${tenant.replace('"x"', '"a\\u0000b"')}}`),
  row('bytes that are no UTF-8', 'tenant', 400, Buffer.from(`${tenant.replace('"x"', '"\xff"')}}`, 'latin1')),
  row('a list', 'tenant', 400, `[${tenant}}]`),
  row('a value behind the value', 'tenant', 400, `${tenant}}{}`),
  row('a form', 'tenant', 415, 'displayName=x', 'application/x-www-form-urlencoded'),
  row('text, which other sites may send', 'tenant', 415, `${tenant}}`, 'text/plain'),
  row('no type', 'tenant', 415, `${tenant}}`, ''),
  row('parts', 'tenant', 415, '--x\r\n\r\n--x--', 'multipart/form-data; boundary=x'),
  row('depth', 'tenant', 413, '['.repeat(50_000)),
];

const head = 'deviceId,instanceId,jamfComputerId,serialNumber,udid,pinned\n';
const cells = (serial: string): string => `${head}{device},{instance},7,${serial},,\n`;
const importRows: readonly BodyRow[] = [
  row('a quote that never ends', 'import', 400, cells('"x'), csv),
  row('a row of a thousand cells', 'import', 200, cells(`x${',y'.repeat(1_000)}`), csv),
  row('a cell of 2 MB', 'import', 400, cells('x'.repeat(2_000_000)), csv),
  row('NUL in a cell', 'import', 200, cells('a\0b'), csv),
  row('a byte order mark', 'import', 200, `\uFEFF${cells('ok')}`, csv),
  row('columns of the prototype', 'import', 400, `__proto__,constructor\n1,2\n`, csv),
  row('a column twice', 'import', 400, `deviceId,deviceId\n1,2\n`, csv),
];

export const bodyRows: readonly BodyRow[] = [
  ...xmlRows,
  ...jsonRows,
  ...inventoryRows,
  ...tenantRows,
  ...importRows,
];

const yaml = (rest: string): string => `apiVersion: espalier.dev/v1\n${rest}`;
const aliases = Array.from(
  { length: 10 },
  (_, at) => `a${at + 1}: &a${at + 1} [${Array.from({ length: 10 }, () => `*a${at}`).join(', ')}]`,
).join('\n');

/** Declarations that `espalier apply` refuses. */
export const yamlRows: readonly (readonly [attack: string, text: string])[] = [
  ['a billion laughs', yaml(`a0: &a0 [ha]\n${aliases}\ntenants: *a10\n`)],
  ['an alias of itself', yaml('tenants: &a\n  - *a\n')],
  ['a tag that runs code', yaml('tenants: !!python/object/apply:os.system ["id"]\n')],
  ['a function', yaml('tenants: !!js/function "function () { return 1 }"\n')],
  ['a tag of one’s own', yaml('tenants: !include /etc/passwd\n')],
  ['members of the prototype', yaml('__proto__:\n  tenants: []\n')],
  ['a constructor', yaml('constructor:\n  prototype: { isAdmin: true }\n')],
  ['a key said twice', yaml('tenants: []\ntenants: []\n')],
  ['a key that is a list', yaml('? [a, b]\n: c\n')],
  ['a merge of what nobody named', yaml('<<: *nothing\n')],
  ['depth', yaml(`tenants: ${'['.repeat(2_000)}${']'.repeat(2_000)}\n`)],
  ['bytes of a terminal', yaml('tenants: "\u001b[31m"\n')],
  [
    'a secret from a file outside',
    yaml('tenants:\n  - { tenantId: x, displayName: y, z: file:/etc/passwd }\n'),
  ],
];
