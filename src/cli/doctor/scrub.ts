/** Takes known secrets, and what names a person or a Mac, out of texts that leave this machine. */

import { createHmac, randomBytes } from 'node:crypto';

/** Shorter ones would turn ordinary words into gaps; Espalier's own keys are far longer. */
const shortestSecret = 6;
const removed = '[removed]';

/** A text as it may stand in another: plain, in JSON, in a URL, and in base64 of both alphabets. */
export function formsOf(secret: string): readonly string[] {
  const bytes = Buffer.from(secret, 'utf8');
  const base64 = bytes.toString('base64');
  return [
    secret,
    JSON.stringify(secret).slice(1, -1),
    encodeURIComponent(secret),
    new URLSearchParams([['', secret]]).toString().slice(1),
    base64,
    base64.replace(/=+$/, ''),
    bytes.toString('base64url'),
    bytes.toString('hex'),
  ];
}

/** Patterns of Espalier's keys, tokens and private keys, known or not. */
const secretShapes =
  /esp_[A-Za-z0-9_-]{20,}|eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]*\.?[A-Za-z0-9_-]*|\b[Bb]earer\s+\S{16,}|-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?-----END [A-Z ]*PRIVATE KEY-----/g;

export type Scrub = (text: string) => string;

/** Longest first: a secret that holds another goes as a whole. */
export function createScrubber(secrets: Iterable<string>): Scrub {
  const forms = new Set([...secrets].filter((secret) => secret.length >= shortestSecret).flatMap(formsOf));
  const ordered = [...forms].sort((a, b) => b.length - a.length);
  return (text) =>
    ordered.reduce((rest, form) => rest.replaceAll(form, removed), text).replaceAll(secretShapes, removed);
}

const guid = /\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b/gi;
const mailAddress = /[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+/g;
/** Texts quote what they complain of: a serial number, a name. An apostrophe within a word opens nothing. */
const quoted = /(?<!\w)(['"\u2018\u201c])[^'"\u2019\u201d\n]{1,200}(['"\u2019\u201d])(?!\w)/g;

export interface Hide {
  /** The same in one bundle, another one in the next: a key that is thrown away. */
  name(text: string): string;
  /** Ids that are not `known`, and addresses. */
  ids(text: string): string;
  /** Those, and quoted words. */
  text(text: string): string;
}

/**
 * `known`: ids of tenants, instances and applications, which support needs. Secrets go first: what is left of one whose
 * middle was hidden would not be found any more.
 */
export function createHide(known: ReadonlySet<string>, scrub: Scrub): Hide {
  const key = randomBytes(32);
  const name = (text: string): string =>
    `hidden-${createHmac('sha256', key).update(text.toLowerCase()).digest('hex').slice(0, 12)}`;
  const ids = (text: string): string =>
    scrub(text)
      .replaceAll(mailAddress, (address) => name(address))
      .replaceAll(guid, (id) => (known.has(id.toLowerCase()) ? id : name(id)));
  return { name, ids, text: (text) => ids(scrub(text).replaceAll(quoted, '$1\u2026$2')) };
}
