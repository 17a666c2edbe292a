/**
 * Keys of TLS session tickets. They are in memory only, are made of a secret that lives half a day at most, and are the same
 * in all processes of a machine, so that a session resumes whichever process its next connection meets.
 */

import { createHash, hkdfSync, randomBytes } from 'node:crypto';
import { ticketSecretMs } from '../limits.ts';

export interface TicketSecret {
  current(): Buffer;
  onChange(listener: () => void): void;
}

export interface ChangingTicketSecret extends TicketSecret {
  set(secret: Buffer): void;
}

export function createTicketSecret(first: Buffer): ChangingTicketSecret {
  let secret = first;
  const listeners: (() => void)[] = [];
  return {
    current: () => secret,
    onChange: (listener) => {
      listeners.push(listener);
    },
    set: (next) => {
      secret = next;
      for (const listener of listeners) listener();
    },
  };
}

const secretBytes = 32;
export const newTicketSecret = (): Buffer => randomBytes(secretBytes);

/** Makes a new one in time, and with it all tickets of the one before worthless. */
export function rotateTicketSecret(secret: ChangingTicketSecret): () => void {
  const timer = setInterval(() => secret.set(newTicketSecret()), ticketSecretMs);
  timer.unref();
  return () => clearInterval(timer);
}

/** As OpenSSL wants them: a name, a key of HMAC and one of AES. */
const keysBytes = 48;

/**
 * A session is of one listener, and of what it was begun under: it says nothing of a certificate that came later, and a
 * client that an authority vouched for may be nobody to the next one.
 */
export function ticketKeys(
  secret: Buffer,
  of: { readonly listener: string; readonly cert: string; readonly clientCa: string | undefined },
): Buffer {
  const salt = createHash('sha256')
    .update(JSON.stringify([of.listener, of.cert, of.clientCa ?? '']))
    .digest();
  return Buffer.from(hkdfSync('sha256', secret, salt, 'espalier session tickets', keysBytes));
}
