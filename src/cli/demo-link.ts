/** The link that signs a newcomer in at the demo's console (admin/sign-in/one-time-link.ts), as parent and child speak of it. */

import { join, relative } from 'node:path';
import { oneTimePath } from '../admin/sign-in/one-time-link.ts';
import { randomToken } from '../entra/authorization-code.ts';
import { hashKey } from '../secrets/keys.ts';
import type { DemoChild } from './demo-children.ts';
import type { DemoPlaces } from './demo-text.ts';

/** Status of a gateway that holds the link. */
export const linkTaken = 'one-time-link';

const hashPattern = /^[A-Za-z0-9_-]{43}$/;

/** The hash in a message of the parent; undefined: the message is about something else. */
export function readLinkOffer(message: unknown): string | undefined {
  if (typeof message !== 'object' || message === null || !('oneTimeLinkHash' in message)) return undefined;
  const { oneTimeLinkHash } = message;
  return typeof oneTimeLinkHash === 'string' && hashPattern.test(oneTimeLinkHash)
    ? oneTimeLinkHash
    : undefined;
}

/**
 * Resolves to what the demo says of its console, with a link that the gateway has just taken on. The token is in this text
 * and nowhere else: the gateway has its hash, and no log has either.
 */
export async function consoleText(
  gateway: DemoChild,
  { admin, simulatorDir }: Pick<DemoPlaces, 'admin' | 'simulatorDir'>,
): Promise<string> {
  const token = randomToken();
  await gateway.tell({ oneTimeLinkHash: await hashKey(token) }, linkTaken);
  const origin = `https://localhost:${new URL(admin).port}`;
  const keyFile = relative(process.cwd(), join(simulatorDir, 'bootstrap-key'));
  return [
    `The console: ${origin}/`,
    '  This link signs you in, once, within ten minutes, on this machine:',
    `  ${origin}${oneTimePath}?token=${token}`,
    `  Afterwards: sign in with the key in ${keyFile}`,
    '  Your browser will warn of the certificate: the demo made it itself, so no authority that browsers know has',
    '  signed it. Here you may go on. A gateway in earnest has a certificate of its own (ESPALIER_TLS_CERT_FILE).',
  ].join('\n');
}
