import { XMLParser, XMLValidator } from 'fast-xml-parser';
import { parseLenientJson } from './body-text.ts';
import { isRecord } from './wire-values.ts';

/** Deepest element nesting read; Jamf's own payloads have 4 levels. */
const xmlMaxDepth = 16;
/** Longest body read, in UTF-16 units; the listener's own limit of 1 MiB comes first (contract 6). */
const bodyMaxChars = 1_048_576;

const byteOrderMark = '\uFEFF';

export type WebhookDocument =
  | {
      readonly ok: true;
      readonly format: 'json' | 'xml';
      readonly document: Readonly<Record<string, unknown>>;
    }
  | { readonly ok: false; readonly description: string };

/**
 * Reads a webhook's body into the object that holds `webhook` and `event` (domain/jamf.md 3.3). JSON or XML by the
 * first character, since receivers in the field see wrong content types; by `contentType` when that tells nothing.
 */
export function readWebhookDocument(body: string, contentType: string | undefined): WebhookDocument {
  if (body.length > bodyMaxChars) return refused('The body is too long.');
  const text = (body.startsWith(byteOrderMark) ? body.slice(1) : body).trim();
  if (text === '') return refused('The body is empty.');
  if (text.startsWith('{')) return readJson(text);
  if (text.startsWith('<')) return readXml(text);
  return refused(`The body is not ${declaredFormat(contentType)}.`);
}

function refused(description: string): WebhookDocument {
  return { ok: false, description };
}

function declaredFormat(contentType: string | undefined): string {
  const mediaType = (contentType ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? '';
  if (/[/+]xml$/.test(mediaType)) return 'XML';
  if (/[/+]json$/.test(mediaType)) return 'a JSON object';
  return 'a JSON object or XML';
}

function readJson(text: string): WebhookDocument {
  try {
    const document = parseLenientJson(text);
    return isRecord(document)
      ? { ok: true, format: 'json', document }
      : refused('The body is not a JSON object.');
  } catch {
    return refused('The body is not well-formed JSON.');
  }
}

const parser = new XMLParser({
  // Entities are never expanded: no definition can be there to expand (see `readXml`), and the predefined five
  // are decoded by `decodeReferences` in one pass.
  processEntities: false,
  ignoreAttributes: true,
  removeNSPrefix: true,
  // Values stay text: an id or a name such as `0012` or `1e5` must not turn into another number.
  parseTagValue: false,
  ignoreDeclaration: true,
  ignorePiTags: true,
  maxNestedTags: xmlMaxDepth,
  tagValueProcessor: (_tag, value) => decodeReferences(value),
});

function readXml(text: string): WebhookDocument {
  // A document type can define entities that expand without end or read files; Jamf never sends one. Anything
  // after `<!` but a comment or CDATA is refused before a parser sees it.
  if (/<!(?!--|\[CDATA\[)/.test(text))
    return refused('The XML holds a document type, which is not accepted.');
  const depth = elementDepth(text);
  if (depth === undefined) return refused('The body is not well-formed XML.');
  if (depth > xmlMaxDepth) return refused(`The XML is nested deeper than ${xmlMaxDepth} elements.`);
  try {
    const wellFormed = [text, mended(text)].find((one) => XMLValidator.validate(one, validation) === true);
    if (wellFormed === undefined) return refused('The body is not well-formed XML.');
    const parsed: unknown = parser.parse(wellFormed);
    const root = isRecord(parsed) ? parsed.JSSEvent : undefined;
    return isRecord(root)
      ? { ok: true, format: 'xml', document: root }
      : refused('The root of the XML is not JSSEvent.');
  } catch {
    return refused('The body is not well-formed XML.');
  }
}

/** A group's display fields have names such as `Computer Name`, which become an element with a bare attribute. */
const validation = { allowBooleanAttributes: true };

/**
 * A bare ampersand taken for itself, control characters for spaces, and an end tag cut at its first space as its start
 * tag is: a name must not cost the ids beside it.
 */
function mended(text: string): string {
  return (
    text
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
      .replace(/[\u0000-\u001f]/g, ' ')
      .replace(/&(?!#x?[0-9a-f]{1,7};|[a-z]\w{0,31};)/gi, '&amp;')
      .replace(/<\/([^\s<>]{1,255})\s[^<>]{0,255}>/g, '</$1>')
      .trim()
  );
}

/**
 * The deepest nesting of elements, or `undefined` when a tag, comment or CDATA section never ends. Counted before
 * parsing, in one pass: the validator has no limit of its own, and what never ends makes it search again and again.
 */
function elementDepth(text: string): number | undefined {
  let depth = 0;
  let deepest = 0;
  for (let at = text.indexOf('<'); at !== -1; at = text.indexOf('<', at)) {
    const isComment = text.startsWith('<!--', at);
    const isCdata = text.startsWith('<![CDATA[', at);
    const terminator = isComment ? '-->' : isCdata ? ']]>' : '>';
    const end = text.indexOf(terminator, at + (isComment ? 4 : 1));
    if (end === -1) return undefined;
    if (!isComment && !isCdata && text[at + 1] !== '?' && text[end - 1] !== '/') {
      depth += text[at + 1] === '/' ? -1 : 1;
      deepest = Math.max(deepest, depth);
    }
    at = end + terminator.length;
  }
  return deepest;
}

const predefined: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

/** Character references and the five predefined entities, in one pass: the result is never looked at again. */
function decodeReferences(text: string): string {
  return text.replace(
    /&(?:#x([0-9a-f]{1,6})|#([0-9]{1,7})|(amp|lt|gt|quot|apos));/gi,
    (whole, hex, decimal, name) => {
      if (name !== undefined) return predefined[String(name)] ?? whole;
      const codePoint = hex === undefined ? Number(decimal) : Number.parseInt(hex, 16);
      return codePoint > 0 && codePoint <= 0x10ffff ? String.fromCodePoint(codePoint) : whole;
    },
  );
}
