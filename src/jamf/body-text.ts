/**
 * The text of a body that an instance sent, in whatever encoding it came. Jamf Pro never repeats a webhook, so a body
 * is not refused for one name in another encoding: ids and event names are ASCII in all of them.
 */

const byteOrderMarks: readonly (readonly [encoding: string, mark: readonly number[]])[] = [
  ['utf-8', [0xef, 0xbb, 0xbf]],
  ['utf-16le', [0xff, 0xfe]],
  ['utf-16be', [0xfe, 0xff]],
];

/** Bytes in which an XML declaration must stand. */
const declarationBytes = 200;

/** The encoding shows by its mark, or by the zero byte that UTF-16 puts beside the first character of JSON and XML. */
function evidentEncoding(bytes: Uint8Array): string | undefined {
  const marked = byteOrderMarks.find(([, mark]) => mark.every((byte, at) => bytes[at] === byte));
  if (marked) return marked[0];
  if (bytes.length < 2 || bytes.length % 2 !== 0) return undefined;
  if (bytes[0] !== 0 && bytes[1] === 0) return 'utf-16le';
  return bytes[0] === 0 && bytes[1] !== 0 ? 'utf-16be' : undefined;
}

/** The encoding that the sender declares: in the content type, or in the XML declaration. */
function declaredEncoding(bytes: Uint8Array, contentType: string | undefined): string | undefined {
  const inHeader = /;\s*charset\s*=\s*"?([\w.:-]{1,40})/i.exec(contentType ?? '')?.[1];
  if (inHeader !== undefined) return inHeader;
  const start = new TextDecoder('latin1').decode(bytes.subarray(0, declarationBytes));
  return /^\s*<\?xml[^>]*\sencoding\s*=\s*["']([\w.:-]{1,40})/i.exec(start)?.[1];
}

function decoderOf(encoding: string): TextDecoder | undefined {
  try {
    return new TextDecoder(encoding);
  } catch {
    // A name that no decoder has: the caller falls back.
    return undefined;
  }
}

/**
 * Decodes by the byte order mark; else as UTF-8 where the bytes are that, since senders declare other encodings wrongly;
 * else as declared; else as Windows-1252, in which every byte is a character. Never throws.
 */
export function readBodyText(bytes: Uint8Array, contentType: string | undefined): string {
  const evident = evidentEncoding(bytes);
  return evident === undefined ? readPieceText(bytes, contentType) : new TextDecoder(evident).decode(bytes);
}

/** The same of a text from within a body, which has no mark: what it begins with is part of it. */
export function readPieceText(bytes: Uint8Array, contentType: string | undefined): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    const declared = declaredEncoding(bytes, contentType);
    const isUtf8 = declared === undefined || /^utf-?8$/i.test(declared);
    const decoder = (isUtf8 ? undefined : decoderOf(declared)) ?? new TextDecoder('windows-1252');
    return decoder.decode(bytes);
  }
}

/**
 * A body that comes in pieces, as UTF-8 without its mark where it is UTF-16 or marked; else as it is, for structure is
 * ASCII in every other encoding, and each text is decoded on its own (`readPieceText`).
 */
export async function* inUtf8(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const encoder = new TextEncoder();
  let decoder: TextDecoder | undefined;
  let start: Uint8Array | undefined = new Uint8Array();
  const begin = (bytes: Uint8Array): Uint8Array => {
    start = undefined;
    const encoding = evidentEncoding(bytes.subarray(0, signBytes));
    if (encoding === 'utf-8') return bytes.subarray(3);
    if (encoding !== undefined) decoder = new TextDecoder(encoding);
    return bytes;
  };
  const shown = (bytes: Uint8Array): Uint8Array =>
    decoder ? encoder.encode(decoder.decode(bytes, { stream: true })) : bytes;
  for await (const chunk of chunks) {
    if (start === undefined) yield shown(chunk);
    else {
      const bytes: Uint8Array = start.length === 0 ? chunk : joined(start, chunk);
      if (bytes.length < signBytes) start = bytes;
      else yield shown(begin(bytes));
    }
  }
  if (start !== undefined) yield shown(begin(start));
}

/** Bytes that tell the encoding. */
const signBytes = 4;

function joined(first: Uint8Array, second: Uint8Array): Uint8Array {
  const both = new Uint8Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}

/**
 * The JSON value of a text, with raw control characters taken for spaces and a backslash before what is no escape taken
 * for itself: such a name must not cost the ids beside it. Throws SyntaxError for what is no JSON even so.
 */
export function parseLenientJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Control characters between values are white space to JSON once they are spaces, so one replacement serves both.
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
    const spaced = text.replace(/[\u0000-\u001f]/g, ' ');
    return JSON.parse(
      spaced.replace(/\\(u[0-9a-fA-F]{4}|["\\/bfnrt])|\\/g, (whole, sequence) =>
        sequence === undefined ? '\\\\' : whole,
      ),
    );
  }
}
