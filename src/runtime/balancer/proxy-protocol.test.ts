import { describe, expect, it } from 'vitest';
import { extension, v2Header, v4Addresses } from '../../../test/harness/proxy-header.ts';
import { readProxyHeader } from './proxy-protocol.ts';

const line = (text: string): Buffer => Buffer.from(`${text}\r\n`, 'latin1');
const v6Addresses = Buffer.from(`20010db8${'00'.repeat(11)}07${'fd'.padEnd(32, '0')}c82201bb`, 'hex');
const longestV6 = 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff';
/** The checksum was computed by another implementation, one that has the vectors of RFC 3720, B.4. */
const checked = (checksum: string, more: Buffer = Buffer.alloc(0)): Buffer =>
  v2Header({ extensions: Buffer.concat([extension(3, Buffer.from(checksum, 'hex')), more]) });

const good: [name: string, bytes: Buffer, source: string | undefined][] = [
  ['TCP4', line('PROXY TCP4 203.0.113.7 10.0.0.9 51234 443'), '203.0.113.7'],
  ['TCP6', line('PROXY TCP6 2001:db8::7 fd00::9 51234 443'), '2001:db8::7'],
  ['TCP6 of IPv4', line('PROXY TCP6 ::ffff:203.0.113.7 ::ffff:10.0.0.9 1 0'), '203.0.113.7'],
  ['the longest TCP6', line(`PROXY TCP6 ${longestV6} ${longestV6} 65535 65535`), longestV6],
  ['UNKNOWN', line('PROXY UNKNOWN'), undefined],
  ['UNKNOWN with more', line(`PROXY UNKNOWN ${longestV6} ${longestV6} 65535 65535`), undefined],
  ['v2 TCP4', v2Header(), '203.0.113.7'],
  ['v2 TCP6', v2Header({ family: 0x21, addresses: v6Addresses }), '2001:db8::7'],
  ['v2 of a Unix socket', v2Header({ family: 0x31, addresses: Buffer.alloc(216, 0x61) }), undefined],
  ['v2 without addresses', v2Header({ family: 0x00, addresses: Buffer.alloc(0) }), undefined],
  ['LOCAL', v2Header({ command: 0x20, family: 0x00, addresses: Buffer.alloc(0) }), undefined],
  ['LOCAL with more', v2Header({ command: 0x20, family: 0x77, addresses: Buffer.alloc(9, 1) }), undefined],
  [
    'v2 with extensions',
    v2Header({ extensions: extension(0xea, Buffer.from('\x01vpce-1', 'latin1')) }),
    '203.0.113.7',
  ],
  ['v2 of 536 bytes', v2Header({ extensions: extension(4, Buffer.alloc(505)) }), '203.0.113.7'],
  ['v2 with a checksum', checked('d2414b36'), '203.0.113.7'],
];

describe.each(good)('%s', (_, bytes, source) => {
  const rest = Buffer.from('GET / HTTP/1.1\r\n\r\n');
  it('is read whole, and nothing behind it', () => {
    const header = { kind: 'header', bytes: bytes.length, source };
    expect(readProxyHeader(bytes)).toEqual(header);
    expect(readProxyHeader(Buffer.concat([bytes, rest]))).toEqual(header);
  });
  it('is waited for wherever it is cut', () => {
    for (let cut = 0; cut < bytes.length; cut += 1)
      expect([cut, readProxyHeader(bytes.subarray(0, cut))]).toEqual([cut, { kind: 'more' }]);
  });
});

it.each<[string, Buffer, string]>([
  ['HTTP', Buffer.from('GET / HTTP/1.1\r\n\r\n'), 'missing'],
  ['TLS', Buffer.from('1603010200', 'hex'), 'missing'],
  ['lower case', line('proxy TCP4 203.0.113.7 10.0.0.9 1 2'), 'missing'],
  ['another signature', Buffer.from('0d0a0d0a000d0a515549540b', 'hex'), 'missing'],
  ['UDP', line('PROXY UDP4 203.0.113.7 10.0.0.9 1 2'), 'malformed'],
  ['another family', line('PROXY TCP4 2001:db8::7 fd00::9 1 2'), 'malformed'],
  ['two families', line('PROXY TCP6 2001:db8::7 10.0.0.9 1 2'), 'malformed'],
  ['two spaces', line('PROXY TCP4  203.0.113.7 10.0.0.9 1 2'), 'malformed'],
  ['a short address', line('PROXY TCP4 203.0.7 10.0.0.9 1 2'), 'malformed'],
  ['an octal address', line('PROXY TCP4 203.0.113.07 10.0.0.9 1 2'), 'malformed'],
  ['a port too high', line('PROXY TCP4 203.0.113.7 10.0.0.9 65536 2'), 'malformed'],
  ['a port with a zero before it', line('PROXY TCP4 203.0.113.7 10.0.0.9 01 2'), 'malformed'],
  ['no port', line('PROXY TCP4 203.0.113.7 10.0.0.9 1'), 'malformed'],
  ['more at its end', line('PROXY TCP4 203.0.113.7 10.0.0.9 1 2 3'), 'malformed'],
  ['a control character', line('PROXY UNKNOWN \x01'), 'malformed'],
  ['a lone line feed', Buffer.from('PROXY TCP4 203.0.113.7 10.0.0.9 1 2\nGET / HTTP/1.1\r\n'), 'malformed'],
  ['108 bytes', line(`PROXY UNKNOWN ${'x'.repeat(92)}`), 'oversized'],
  ['no end', Buffer.from(`PROXY ${'x'.repeat(101)}`), 'oversized'],
  ['v2, version 3', v2Header({ command: 0x31 }), 'malformed'],
  ['v2, another command', v2Header({ command: 0x22 }), 'malformed'],
  ['v2, datagrams', v2Header({ family: 0x12 }), 'malformed'],
  ['v2, another family', v2Header({ family: 0x41 }), 'malformed'],
  ['v2, too short', v2Header({ addresses: Buffer.alloc(11) }), 'malformed'],
  ['v2, 537 bytes', v2Header({ length: 521 }), 'oversized'],
  ['v2, half an extension', v2Header({ extensions: Buffer.from([4, 0]) }), 'malformed'],
  ['v2, an extension that is too long', v2Header({ extensions: Buffer.from([4, 0, 9, 1]) }), 'malformed'],
  ['v2, a wrong checksum', checked('d2414b37'), 'checksum'],
  ['v2, a checksum of three bytes', checked('d2414b'), 'malformed'],
  ['v2, two checksums', checked('d2414b36', extension(3, Buffer.alloc(4))), 'checksum'],
  [
    'v2, no address of a stranger',
    v2Header({ addresses: v4Addresses('203.0.113.7').subarray(0, 8) }),
    'malformed',
  ],
])('%s is refused', (_, bytes, reason) => {
  expect(readProxyHeader(bytes)).toEqual({ kind: 'refused', reason });
});
