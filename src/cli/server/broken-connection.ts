/** Explains to a person why a connection failed or broke: the cause and what to do. */

import { CommandFailure, exitCodes } from '../failure.ts';

const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';

const unknownAuthority =
  'its certificate is not signed by an authority that is trusted here: set ESPALIER_CA_FILE, ca-file in the profile ' +
  "or --ca-file to a PEM file with the authority's certificate (the gateway's own self-signed one is tls.crt in its data directory)";

const remedies: Readonly<Record<string, string>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: unknownAuthority,
  SELF_SIGNED_CERT_IN_CHAIN: unknownAuthority,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: unknownAuthority,
  UNABLE_TO_GET_ISSUER_CERT: unknownAuthority,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: unknownAuthority,
  CERT_HAS_EXPIRED: 'its certificate has expired: renew it, or set the clock of this machine',
  CERT_NOT_YET_VALID: 'its certificate is not valid yet: set the clock of this machine',
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is for another name: use the name that stands in it',
  EPROTO: 'it does not speak TLS there: is this the port of the admin listener?',
  ERR_SSL_WRONG_VERSION_NUMBER: 'it does not speak TLS there: is this the port of the admin listener?',
  ECONNREFUSED:
    'nothing listens there: is the gateway running, and is this the port of the admin listener (9443)?',
  ENOTFOUND: 'the name cannot be resolved: check the spelling of the host and the DNS of this machine',
  EAI_AGAIN: 'the name cannot be resolved at the moment: check the DNS of this machine',
  ETIMEDOUT: 'no answer in time: does a firewall lie between?',
  EHOSTUNREACH: 'no route to the host: does a firewall or VPN lie between?',
  ENETUNREACH: 'no route to the network: is this machine connected?',
  ECONNRESET: 'it broke the connection: look at the log of the gateway or the load balancer, then repeat',
};

/** The connection was there and broke, so that nobody knows whether the request was acted on. */
export const isReset = (error: unknown): boolean => ['ECONNRESET', 'EPIPE'].includes(codeOf(error));

export function connectionFailure(origin: string, error: unknown): CommandFailure {
  const code = codeOf(error);
  const said = error instanceof Error && error.message !== '' ? error.message : code;
  const remedy = remedies[code];
  const message = `${origin} does not answer: ${said}${remedy === undefined ? '' : `\n  ${remedy}`}`;
  return new CommandFailure(exitCodes.error, message);
}
