/** How the data and admin listeners speak TLS (docs/tls.md): versions, ciphers, the certificate by name, and ALPN. */

import { constants } from 'node:crypto';
import type { Server, ServerOptions } from 'node:https';
import { createSecureContext, type SecureContext, type TLSSocket } from 'node:tls';
import { headersTimeoutMs } from '../limits.ts';
import type { CertificateSource, KeyPair } from './node-certificate-source.ts';
import { type TicketSecret, ticketKeys } from './node-ticket-keys.ts';

/** The protocol of an ACME server that validates a name (RFC 8737); its connections carry nothing. */
export const acmeProtocol = 'acme-tls/1';
const httpProtocol = 'http/1.1';

/**
 * TLS 1.3 first, then of TLS 1.2 what has forward secrecy and authenticated encryption; all that RFC 9325, 4.2 recommends
 * but the suites with finite-field Diffie-Hellman.
 */
export const cipherSuites = [
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'TLS_AES_128_GCM_SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
] as const;

/** What every context needs: OpenSSL takes the ciphers from the context of the name that was asked for. */
const common = {
  minVersion: 'TLSv1.2' as const,
  ciphers: cipherSuites.join(':'),
  honorCipherOrder: true,
};

/** Nobody who calls needs renegotiation, and each costs the server more than the client. */
const always = constants.SSL_OP_NO_RENEGOTIATION;

/**
 * OpenSSL resumes a session before it looks at the name, and shows no certificate then: a session that began under one
 * name would be taken for another. With one certificate there is nothing to confuse.
 */
const optionsFor = (source: CertificateSource): number =>
  source.presented().length > 1 ? always | constants.SSL_OP_NO_TICKET : always;

/** A session resumes at this listener alone, in whichever process has the same secret. */
export interface ListenerTickets {
  readonly secret: TicketSecret;
  readonly listener: string;
}

export interface TlsListenerOptions {
  readonly tickets?: ListenerTickets;
  readonly certificates: CertificateSource;
  /** PEM: ask for client certificates of this authority, whichever certificate is presented. */
  readonly clientCa?: string;
}

/** Options of Node's HTTPS server; `follow` keeps it at what the source presents. */
export function tlsServerOptions({ certificates, clientCa, tickets }: TlsListenerOptions): {
  readonly options: ServerOptions;
  follow(server: Server): void;
} {
  const trust = clientCa === undefined ? {} : { ca: clientCa };
  const contexts = new WeakMap<KeyPair, SecureContext>();
  const contextOf = (pair: KeyPair): SecureContext => {
    const known = contexts.get(pair);
    if (known !== undefined) return known;
    const { cert, key } = pair;
    const made = createSecureContext({ ...common, ...trust, cert, key });
    contexts.set(pair, made);
    return made;
  };
  const challenges = new WeakMap<TLSSocket, KeyPair>();
  const defaultContext = () => {
    const { cert, key } = certificates.default();
    const resuming =
      tickets === undefined
        ? {}
        : {
            ticketKeys: ticketKeys(tickets.secret.current(), {
              listener: tickets.listener,
              cert: String(cert),
              clientCa,
            }),
            // OpenSSL resumes a session only in the context that it was begun in.
            sessionIdContext: `espalier ${tickets.listener}`,
          };
    return { ...common, ...trust, ...resuming, cert, key, secureOptions: optionsFor(certificates) };
  };
  return {
    options: {
      ...defaultContext(),
      handshakeTimeout: headersTimeoutMs,
      ...(clientCa === undefined ? {} : { requestCert: true, rejectUnauthorized: false }),
      SNICallback(this: TLSSocket, servername, done) {
        done(null, contextOf(challenges.get(this) ?? certificates.forName(servername)));
      },
      ALPNCallback(this: TLSSocket, { protocols, servername }) {
        if (!protocols.includes(acmeProtocol))
          return protocols.includes(httpProtocol) ? httpProtocol : undefined;
        // RFC 8737, 3: the only protocol that is offered, and refused for a name that is not being validated.
        const pair = protocols.length === 1 ? certificates.challenge(servername) : undefined;
        if (pair === undefined) return undefined;
        // TLS 1.2 has chosen the certificate before this, TLS 1.3 chooses it afterwards.
        this.setKeyCert(contextOf(pair));
        challenges.set(this, pair);
        return acmeProtocol;
      },
    },
    follow: (server) => {
      const renew = (): void => server.setSecureContext(defaultContext());
      certificates.onChange(renew);
      tickets?.secret.onChange(renew);
    },
  };
}
