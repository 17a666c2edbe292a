/** PROXY headers as balancers write them, made apart from what reads them. */

const signature = Buffer.from([0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a]);

export interface V2Header {
  /** Default: PROXY over version 2. */
  readonly command?: number;
  /** Default: TCP over IPv4. */
  readonly family?: number;
  readonly addresses?: Buffer;
  readonly extensions?: Buffer;
  /** Default: what it is. */
  readonly length?: number;
}

export const v4Addresses = (source: string, destination = '10.0.0.9'): Buffer =>
  Buffer.from([
    ...source.split('.').map(Number),
    ...destination.split('.').map(Number),
    0xc8,
    0x22,
    0x01,
    0xbb,
  ]);

export function v2Header(header: V2Header = {}): Buffer {
  const { addresses = v4Addresses('203.0.113.7'), command = 0x21, extensions = Buffer.alloc(0) } = header;
  const head = Buffer.from([command, header.family ?? 0x11, 0, 0]);
  head.writeUInt16BE(header.length ?? addresses.length + extensions.length, 2);
  return Buffer.concat([signature, head, addresses, extensions]);
}

export const extension = (type: number, value: Buffer): Buffer => {
  const head = Buffer.from([type, 0, 0]);
  head.writeUInt16BE(value.length, 1);
  return Buffer.concat([head, value]);
};
