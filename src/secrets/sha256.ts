import { base64url } from 'jose';

/** SHA-256 of a text's UTF-8, in base64url. A runtime with one that answers at once gives it; this one works everywhere. */
export type Sha256 = (text: string) => string | Promise<string>;

export const webSha256 = async (text: string): Promise<string> =>
  base64url.encode(new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text))));
