/** A tar archive of some small files, in the format of POSIX.1-1988 (ustar), which every tar reads. */

export interface TarFile {
  /** ASCII, at most 100 characters. */
  readonly name: string;
  readonly content: Uint8Array;
}

const blockBytes = 512;

function header({ content, name }: TarFile, atSeconds: number): Buffer {
  if (!/^[\x21-\x7e]{1,100}$/.test(name))
    throw new RangeError(`${name} is no name for a file in a tar archive`);
  const block = Buffer.alloc(blockBytes);
  const octal = (value: number, offset: number, length: number): number =>
    block.write(`${value.toString(8).padStart(length - 1, '0')}\0`, offset, 'ascii');
  block.write(name, 0, 'ascii');
  octal(0o600, 100, 8);
  octal(0, 108, 8);
  octal(0, 116, 8);
  octal(content.byteLength, 124, 12);
  octal(atSeconds, 136, 12);
  // The checksum counts its own field as spaces.
  block.write(' '.repeat(8), 148, 'ascii');
  block.write('0', 156, 'ascii');
  block.write('ustar\u000000', 257, 'ascii');
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'ascii');
  return block;
}

export function makeTar(files: readonly TarFile[], at: Date): Buffer {
  const atSeconds = Math.floor(at.getTime() / 1_000);
  const parts = files.flatMap((file) => {
    const padding = (blockBytes - (file.content.byteLength % blockBytes)) % blockBytes;
    return [header(file, atSeconds), Buffer.from(file.content), Buffer.alloc(padding)];
  });
  return Buffer.concat([...parts, Buffer.alloc(2 * blockBytes)]);
}
