/**
 * Reads the header of the PROXY protocol, versions 1 and 2 (HAProxy's doc/proxy-protocol.txt, 2.1 and 2.2), strictly:
 * each byte is what the specification has there, or it is no header. Nothing of it is guessed and nothing is skipped but
 * the extensions of version 2, whose lengths have to fit.
 */

import { normalAddress } from './trusted-proxies.ts';

/** The whole line with its end (2.1). */
const maxV1 = 107;
/** The longest that a balancer sends is 232 bytes of addresses and its extensions; 536 fit into the first segment (2.2). */
const maxV2 = 536;

export type ProxyRefusal = 'missing' | 'malformed' | 'oversized' | 'checksum';

export type ProxyHeader =
  | { readonly kind: 'more' }
  | { readonly kind: 'refused'; readonly reason: ProxyRefusal }
  /** `source`: undefined where the balancer speaks for itself (LOCAL) or does not know its caller. */
  | { readonly kind: 'header'; readonly bytes: number; readonly source: string | undefined };

const more: ProxyHeader = { kind: 'more' };
const refused = (reason: ProxyRefusal): ProxyHeader => ({ kind: 'refused', reason });

const v1Start = Buffer.from('PROXY ', 'latin1');
const v2Start = Buffer.from('0d0a0d0a000d0a515549540a', 'hex');

/** True while the bytes there are could become `start`. */
const begins = (bytes: Uint8Array, start: Uint8Array): boolean =>
  Buffer.compare(bytes.subarray(0, start.length), start.subarray(0, bytes.length)) === 0;

const v1Line =
  /^PROXY (?:UNKNOWN(?: [\x20-\x7e]*)?|TCP([46]) ([0-9a-fA-F.:]+) ([0-9a-fA-F.:]+) (\d{1,5}) (\d{1,5}))$/;

const isPort = (text: string | undefined): boolean =>
  /^(?:0|[1-9]\d*)$/.test(text ?? '') && Number(text) <= 65_535;

function readV1(bytes: Buffer): ProxyHeader {
  const end = bytes.subarray(0, maxV1).indexOf('\r\n', 0, 'latin1');
  if (end < 0) return bytes.length >= maxV1 ? refused('oversized') : more;
  const match = v1Line.exec(bytes.toString('latin1', 0, end));
  if (match === null) return refused('malformed');
  const [, family, source, destination, sourcePort, destinationPort] = match;
  const length = end + 2;
  if (family === undefined || source === undefined || destination === undefined)
    return { kind: 'header', bytes: length, source: undefined };
  const fits = (address: string): boolean =>
    address.includes(':') === (family === '6') && normalAddress(address) !== undefined;
  return fits(source) && fits(destination) && isPort(sourcePort) && isPort(destinationPort)
    ? { kind: 'header', bytes: length, source: normalAddress(source) }
    : refused('malformed');
}

/** CRC-32C, reflected (RFC 3720, B.4). */
function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f63b78 : 0);
  }
  return (crc ^ 0xffffffff) >>> 0;
}

const checksumType = 0x03;

/** The checksum is that of the whole header with zeros in its own place (2.2.3). */
function checkExtensions(header: Buffer, start: number): ProxyRefusal | undefined {
  for (let at = start; at < header.length; ) {
    if (at + 3 > header.length) return 'malformed';
    const value = at + 3;
    const next = value + header.readUInt16BE(at + 1);
    if (next > header.length) return 'malformed';
    if (header[at] === checksumType) {
      if (next - value !== 4) return 'malformed';
      const zeroed = Buffer.from(header).fill(0, value, next);
      if (crc32c(zeroed) !== header.readUInt32BE(value)) return 'checksum';
    }
    at = next;
  }
  return undefined;
}

/** Family and protocol, with the length of their addresses; datagrams do not come over TCP. */
const families = new Map([
  [0x00, 0],
  [0x11, 12],
  [0x21, 36],
  [0x31, 216],
]);

const v4 = (bytes: Buffer): string => bytes.join('.');
const v6 = (bytes: Buffer): string =>
  Array.from({ length: 8 }, (_, at) => bytes.readUInt16BE(at * 2).toString(16)).join(':');

function readV2(bytes: Buffer): ProxyHeader {
  if (bytes.length < 16) return more;
  const command = bytes[12];
  if (command !== 0x20 && command !== 0x21) return refused('malformed');
  const length = 16 + bytes.readUInt16BE(14);
  if (length > maxV2) return refused('oversized');
  if (bytes.length < length) return more;
  // The balancer's own connection: what else the header says is to be left alone (2.2).
  if (command === 0x20) return { kind: 'header', bytes: length, source: undefined };
  const family = bytes[13] ?? 0;
  const addresses = families.get(family);
  if (addresses === undefined || length < 16 + addresses) return refused('malformed');
  const header = bytes.subarray(0, length);
  const wrong = checkExtensions(header, 16 + addresses);
  if (wrong !== undefined) return refused(wrong);
  const source =
    family === 0x11 ? v4(header.subarray(16, 20)) : family === 0x21 ? v6(header.subarray(16, 32)) : undefined;
  return { kind: 'header', bytes: length, source: source === undefined ? undefined : normalAddress(source) };
}

/** `bytes`: everything that the connection has brought so far. */
export function readProxyHeader(bytes: Buffer): ProxyHeader {
  if (bytes.length === 0) return more;
  if (begins(bytes, v2Start)) return readV2(bytes);
  return begins(bytes, v1Start) ? readV1(bytes) : refused('missing');
}
