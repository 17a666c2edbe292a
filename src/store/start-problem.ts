import { isStoreUnavailable } from './database.ts';

/**
 * Decides what a start makes of a database that it cannot use: wait for it, or end because only a person can mend it.
 * The same errors in a running process are an outage: there the database was right once.
 */
export interface StartProblem {
  /** True: it may pass by itself. */
  readonly passes: boolean;
  /** Cause in words, with the code; begins in lower case. */
  readonly cause: string;
}

interface CodedError extends Error {
  readonly code?: string;
}

/** The error that the driver or the server gave, whatever it was wrapped in. */
function innermost(error: unknown): CodedError {
  let found = error as CodedError;
  while (found?.code === undefined && found?.cause instanceof Error) found = found.cause as CodedError;
  return found instanceof Error ? found : new Error(String(found));
}

/** Node's names for what X.509 verification refuses (tls, "X509 certificate error codes"), and its own check of the name. */
const verificationCodes =
  /^(ERR_TLS_CERT_ALTNAME_INVALID|CERT_\w+|CRL_\w+|SELF_SIGNED_CERT_IN_CHAIN|DEPTH_ZERO_SELF_SIGNED_CERT|UNABLE_TO_\w+|INVALID_(CA|PURPOSE)|HOSTNAME_MISMATCH|ERROR_IN_CERT_\w+|PATH_LENGTH_EXCEEDED)$/;

const passing: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there',
  ECONNRESET: 'the connection was cut',
  EPIPE: 'the connection was cut',
  CONNECTION_CLOSED: 'the connection was cut',
  ENOTFOUND: 'the host name is not known',
  EAI_AGAIN: 'the host name cannot be looked up now',
  ETIMEDOUT: 'no connection in time',
  CONNECT_TIMEOUT: 'no connection in time',
  EHOSTUNREACH: 'there is no way to the host',
  ENETUNREACH: 'there is no way to the network',
  ENOENT: 'there is no such socket',
  '57P03': 'the server is starting or stopping',
  '53300': 'the server has no connection left',
};

const lasting: Readonly<Record<string, string>> = {
  '28P01': 'the password is refused',
  '28000': 'the role is refused',
  '3D000': 'there is no such database',
  TLS_NOT_OFFERED: 'the server takes no TLS',
  SASL_SIGNATURE_MISMATCH: 'the server does not know the password itself',
};

export function startProblem(error: unknown): StartProblem {
  const { code, message } = innermost(error);
  const explained = code === undefined ? message : `${message} (${code})`;
  if (code === undefined) return { passes: isStoreUnavailable(error), cause: explained };
  const refusal = lasting[code];
  if (refusal !== undefined) return { passes: false, cause: `${refusal}: ${explained}` };
  if (code.startsWith('28')) return { passes: false, cause: `the server refuses the role: ${explained}` };
  if (verificationCodes.test(code))
    return { passes: false, cause: `the server's certificate cannot be verified: ${explained}` };
  const reason = passing[code];
  if (reason !== undefined) return { passes: true, cause: `${reason}: ${explained}` };
  return { passes: isStoreUnavailable(error), cause: explained };
}
