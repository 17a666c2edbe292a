import { webhookLimits } from '../limits.ts';
import { isRecord } from '../untrusted/bounded-json.ts';
import { DocumentReader } from '../untrusted/json-document.ts';
import type { ValueFault } from '../untrusted/json-structure.ts';
import { XmlReader } from '../untrusted/xml-document.ts';
import type { XmlFault } from '../untrusted/xml-tree.ts';
import { parseLenientJson, readPieceText } from './body-text.ts';

export type WebhookDocument =
  | {
      readonly ok: true;
      readonly format: 'json' | 'xml';
      readonly document: Readonly<Record<string, unknown>>;
    }
  | {
      readonly ok: false;
      readonly description: string;
      /** It is nested too deep or holds too much, whatever it says. */
      readonly isTooLarge?: true;
    };

/** Takes a webhook's body, UTF-8 or another encoding in which ASCII is ASCII, piece by piece and in small steps. */
export interface WebhookDocumentReader {
  push(piece: Uint8Array): Generator<void>;
  end(): Generator<void>;
  /** Nothing that follows would change the outcome. */
  isSettled(): boolean;
  /** The object that holds `webhook` and `event` (domain/jamf.md 3.3). */
  document(): WebhookDocument;
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

const faults: Readonly<Record<ValueFault | XmlFault, WebhookDocument>> = {
  INVALID_JSON: refused('The body is not well-formed JSON.'),
  NOT_WELL_FORMED: refused('The body is not well-formed XML.'),
  DOCUMENT_TYPE: refused('The XML holds a document type, which is not accepted.'),
  TOO_DEEP: { ok: false, isTooLarge: true, description: 'The body is nested too deep.' },
  TOO_LARGE: { ok: false, isTooLarge: true, description: 'A text or member of the body is too long.' },
  TOO_MANY_MEMBERS: {
    ok: false,
    isTooLarge: true,
    description: `The body may hold ${webhookLimits.nodes} elements and members at most.`,
  },
};

/** A JSON text that is there as a whole and small. */
export function jsonDocument(text: string): WebhookDocument {
  try {
    const document = parseLenientJson(text);
    return isRecord(document)
      ? { ok: true, format: 'json', document }
      : refused('The body is not a JSON object.');
  } catch {
    return faults.INVALID_JSON;
  }
}

function jsonReader(contentType: string | undefined): WebhookDocumentReader {
  const reader = new DocumentReader(webhookLimits, (text) =>
    parseLenientJson(asciiText(text) ?? readPieceText(text, contentType)),
  );
  return {
    push: (piece) => reader.push(piece),
    end: () => reader.end(),
    isSettled: () => reader.fault !== undefined,
    document: () => {
      const fault = reader.fault;
      if (fault !== undefined) return faults[fault];
      const document = reader.value;
      return isRecord(document)
        ? { ok: true, format: 'json', document }
        : refused('The body is not a JSON object.');
    },
  };
}

/** Bytes that are read in one step: some tenths of a millisecond. */
const xmlStepBytes = 4_096;

function xmlReader(contentType: string | undefined): WebhookDocumentReader {
  const reader = new XmlReader(webhookLimits.xml, (bytes, isCdata) => {
    const text = asciiText(bytes) ?? readPieceText(bytes, contentType);
    // Entities are never expanded, for none can be defined: the predefined five are decoded in one pass.
    return isCdata ? text : decodeReferences(text);
  });
  return {
    *push(piece) {
      for (let at = 0; at < piece.length && reader.fault === undefined; at += xmlStepBytes) {
        reader.push(piece.subarray(at, at + xmlStepBytes));
        yield;
      }
    },
    *end() {
      reader.end();
      yield;
    },
    isSettled: () => reader.fault !== undefined,
    document: () => {
      const fault = reader.fault;
      if (fault !== undefined) return faults[fault];
      const root = reader.root;
      return root?.name === 'JSSEvent' && isRecord(root.value)
        ? { ok: true, format: 'xml', document: root.value }
        : refused('The root of the XML is not JSSEvent.');
    },
  };
}

/**
 * JSON or XML by the first character, since receivers in the field see wrong content types; by `contentType` when that
 * tells nothing.
 */
export function createWebhookDocumentReader(contentType: string | undefined): WebhookDocumentReader {
  let reader: WebhookDocumentReader | undefined;
  let isForeign = false;
  const begin = (first: number): void => {
    if (first === 0x7b) reader = jsonReader(contentType);
    else if (first === 0x3c) reader = xmlReader(contentType);
    else isForeign = true;
  };
  return {
    *push(piece) {
      let from = 0;
      if (!reader) {
        while (from < piece.length && (piece[from] as number) <= 0x20) from += 1;
        if (from < piece.length && !isForeign) begin(piece[from] as number);
      }
      if (reader) yield* reader.push(piece.subarray(from));
    },
    *end() {
      if (reader) yield* reader.end();
    },
    isSettled: () => isForeign || (reader?.isSettled() ?? false),
    document: () => {
      if (reader) return reader.document();
      return refused(isForeign ? `The body is not ${declaredFormat(contentType)}.` : 'The body is empty.');
    },
  };
}

/** Most texts are short and ASCII, and a decoder costs more than they do. */
const asciiCharacters = 128;

function asciiText(bytes: Uint8Array): string | undefined {
  if (bytes.length > asciiCharacters) return undefined;
  for (let at = 0; at < bytes.length; at += 1) if ((bytes[at] as number) > 0x7f) return undefined;
  return String.fromCharCode(...bytes);
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
