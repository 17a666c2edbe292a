/**
 * A file of many parts that is sealed with a key of its own (AES-256-GCM, Web Crypto only): a line of JSON that anybody may
 * read, then a line for each part. Every part is bound to the first line, its place and whether it is the last, so that a file
 * that was cut off, put together of two or changed anywhere does not open.
 */

import { base64url } from 'jose';

/** A file that does not open; the message says why, for the person who has it. */
export class FileBroken extends Error {
  override readonly name = 'FileBroken';
}

/** Upper bound on a line: a part of the largest records is some megabytes. */
const maxLineCharacters = 64 * 1_048_576;
const ivBytes = 12;
const keyPattern = /^[A-Za-z0-9_-]{43}$/;
const more = '+';
const last = '.';

const encoder = new TextEncoder();

/** 32 random bytes in base64url. */
export const newFileKey = (): string => base64url.encode(crypto.getRandomValues(new Uint8Array(32)));

export const looksLikeFileKey = (text: string): boolean => keyPattern.test(text);

const importKey = (key: string): Promise<CryptoKey> =>
  crypto.subtle.importKey('raw', new Uint8Array(base64url.decode(key)), 'AES-GCM', false, [
    'encrypt',
    'decrypt',
  ]);

const associated = (head: string, place: number, mark: string): Uint8Array<ArrayBuffer> =>
  new Uint8Array(encoder.encode(`${head}\n${place}\n${mark}`));

/** The lines of a file. `parts` must not be empty: its last one closes the file. */
export async function* sealFile(
  key: string,
  head: object,
  parts: AsyncIterable<string>,
): AsyncGenerator<Uint8Array> {
  const sealing = await importKey(key);
  const first = JSON.stringify(head);
  yield encoder.encode(`${first}\n`);
  const seal = async (part: string, place: number, mark: string): Promise<Uint8Array> => {
    const iv = crypto.getRandomValues(new Uint8Array(ivBytes));
    const additionalData = associated(first, place, mark);
    const sealed = await crypto.subtle.encrypt(
      { name: 'AES-GCM', iv, additionalData },
      sealing,
      encoder.encode(part),
    );
    return encoder.encode(`${mark}${base64url.encode(iv)}.${base64url.encode(new Uint8Array(sealed))}\n`);
  };
  let place = 0;
  let waiting: string | undefined;
  for await (const part of parts) {
    if (waiting !== undefined) {
      yield await seal(waiting, place, more);
      place += 1;
    }
    waiting = part;
  }
  if (waiting === undefined) throw new Error('a sealed file needs a last part');
  yield await seal(waiting, place, last);
}

async function* linesOf(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let pieces: string[] = [];
  let length = 0;
  for await (const chunk of chunks) {
    const [head = '', ...lines] = decoder.decode(chunk, { stream: true }).split('\n');
    pieces.push(head);
    length += head.length;
    if (length > maxLineCharacters) throw new FileBroken('a line of the file is too long');
    for (const line of lines) {
      yield pieces.join('');
      pieces = [line];
      length = line.length;
    }
  }
  if (length > 0) yield pieces.join('');
}

export interface OpenedFile {
  /** The first line; nothing vouches for it before the first part has opened. */
  readonly head: unknown;
  readonly parts: AsyncGenerator<string>;
}

/** Throws `FileBroken` at once or while the parts are read; whoever acts on a part before the last one must be able to undo it. */
export async function openFile(key: string, chunks: AsyncIterable<Uint8Array>): Promise<OpenedFile> {
  const opening = await importKey(key);
  const lines = linesOf(chunks);
  const begin = await lines.next();
  const first = begin.done ? '' : begin.value;
  let head: unknown;
  try {
    head = JSON.parse(first);
  } catch {
    throw new FileBroken('this is no file of a moved tenant');
  }
  const open = async (line: string, place: number): Promise<string> => {
    const [iv = '', sealed = ''] = line.slice(1).split('.');
    try {
      const plain = await crypto.subtle.decrypt(
        {
          name: 'AES-GCM',
          iv: new Uint8Array(base64url.decode(iv)),
          additionalData: associated(first, place, line.slice(0, 1)),
        },
        opening,
        new Uint8Array(base64url.decode(sealed)),
      );
      return new TextDecoder().decode(plain);
    } catch {
      throw new FileBroken('the file does not open: the key is another one, or the file was changed');
    }
  };
  async function* readParts(): AsyncGenerator<string> {
    let place = 0;
    let ended = false;
    for await (const line of lines) {
      if (ended) throw new FileBroken('the file goes on after its end');
      yield await open(line, place);
      ended = line.startsWith(last);
      place += 1;
    }
    if (!ended) throw new FileBroken('the file was cut off');
  }
  return { head, parts: readParts() };
}
