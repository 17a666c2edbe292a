/**
 * Classifies an error of the database client by what it says about the database itself. The driver, Node.js, OpenSSL
 * and workerd each have names of their own for "the database cannot be had now", so they are recognised by kind and not
 * one by one.
 */

/**
 * `unreachable`: there is nobody to talk to, which may be an outage. `refused`: the server answers and does not do the
 * work now. After both the same request may succeed later; undefined says that it would fail again.
 */
export type StoreFailure = 'unreachable' | 'refused';

/** Thrown instead of asking: `STORE_AWAY` while the database is known to be away, `STORE_BUSY` when no connection is free. */
export class StoreUnavailableError extends Error {
  override readonly name = 'StoreUnavailableError';
  readonly code: 'STORE_AWAY' | 'STORE_BUSY';

  constructor(code: 'STORE_AWAY' | 'STORE_BUSY', message: string, cause?: unknown) {
    super(message, { cause });
    this.code = code;
  }
}

/** SQLSTATE of a server that ends sessions or does not take new ones; PostgreSQL's appendix A. */
const unreachableStates: ReadonlySet<string> = new Set(['57P01', '57P02', '57P03']);
/** Connection exceptions; poolers use it when their server is away. */
const unreachableClass = '08';
/** Faults of the machine. As FATAL they come from poolers that have no server; as ERROR from a statement's file. */
const machineClasses: ReadonlySet<string> = new Set(['58', 'XX']);
/** Authorisation, resources, an operator's intervention, the machine. */
const refusedClasses: ReadonlySet<string> = new Set(['28', '53', '57', '58']);
/** Unknown database, deadlock, serialisation, lock not available, read-only, time-outs of a transaction. */
const refusedStates: ReadonlySet<string> = new Set([
  '3D000',
  '40P01',
  '40001',
  '55P03',
  '25006',
  '25P03',
  '25P04',
]);

/** Codes of the operating system for a socket. `EAI_…` and TLS have forms of their own below. */
const networkCodes: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'EPIPE',
  'EPROTO',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'EHOSTDOWN',
  'ENETUNREACH',
  'ENETDOWN',
  'ENETRESET',
  'EADDRNOTAVAIL',
  'ENOTCONN',
  'ESHUTDOWN',
  // Name servers that do not answer, or not with an address.
  'ENOTFOUND',
  'ENODATA',
  'ESERVFAIL',
  'EREFUSED',
  'ETIMEOUT',
  'EBADRESP',
]);

/** Codes of the driver (postgres.js). */
const driverCodes: Readonly<Record<string, StoreFailure>> = {
  CONNECTION_CLOSED: 'unreachable',
  CONNECT_TIMEOUT: 'unreachable',
  SASL_SIGNATURE_MISMATCH: 'unreachable',
  TLS_NOT_OFFERED: 'unreachable',
  // This process ended the connection itself.
  CONNECTION_DESTROYED: 'refused',
  CONNECTION_ENDED: 'refused',
  STORE_AWAY: 'refused',
  STORE_BUSY: 'refused',
};

/** A certificate that is not accepted: OpenSSL's X509_V_ERR_… as Node.js names them. */
const certificateCode =
  /^(?:CERT_\w+|CRL_\w+|UNABLE_TO_\w+|ERROR_IN_CERT_\w+|ERROR_IN_CRL_\w+|DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|INVALID_CA|INVALID_PURPOSE|PATH_LENGTH_EXCEEDED|HOSTNAME_MISMATCH)$/;
/** Codes of Node.js for the handshake, and for a socket that closed before or during it. */
const socketCode = /^ERR_(?:TLS|SSL|SOCKET)_\w+$/;
/** The system calls that only a connection to somebody makes; a Unix socket that is not there is ENOENT of `connect`. */
const connectCall = /^(?:connect|getaddrinfo|query[A-Z]\w*)$/;
/** workerd gives plain errors without a code, whose words are its own or Hyperdrive's. */
const codelessMessage =
  /connection attempt failed|network connection lost|proxy request failed|cannot connect|connection (?:closed|lost|reset|refused|terminated)|stream was cancelled|socket (?:closed|hang up)/i;

interface Described {
  readonly name?: unknown;
  /** Noted by the driver on what ended a query. */
  readonly parameters?: unknown;
  readonly code?: unknown;
  readonly severity?: unknown;
  readonly syscall?: unknown;
  readonly message?: unknown;
  readonly cause?: unknown;
  readonly errors?: unknown;
}

function failureOfState(state: string, fatal: boolean): StoreFailure | undefined {
  const stateClass = state.slice(0, 2);
  if (stateClass === unreachableClass || unreachableStates.has(state)) return 'unreachable';
  if (fatal && machineClasses.has(stateClass)) return 'unreachable';
  // The server ended this session for a reason of its own, but a new one may be had.
  if (fatal || refusedClasses.has(stateClass) || refusedStates.has(state)) return 'refused';
  return undefined;
}

/** What ended the driver's query and has neither a code nor a kind of its own came from the socket, whatever it says. */
const isOfSocket = ({ message, name, parameters }: Described): boolean =>
  (Array.isArray(parameters) && name === 'Error') ||
  (typeof message === 'string' && codelessMessage.test(message));

function failureOf(described: Described): StoreFailure | undefined {
  const { code, severity, syscall } = described;
  // The server's own errors are the only ones that have a severity.
  if (typeof severity === 'string' && typeof code === 'string')
    return failureOfState(code, severity === 'FATAL' || severity === 'PANIC');
  if (typeof syscall === 'string' && connectCall.test(syscall)) return 'unreachable';
  if (typeof code === 'string') {
    if (networkCodes.has(code) || code.startsWith('EAI_')) return 'unreachable';
    if (certificateCode.test(code) || socketCode.test(code)) return 'unreachable';
    return driverCodes[code] ?? (/^[0-9A-Z]{5}$/.test(code) ? failureOfState(code, false) : undefined);
  }
  return isOfSocket(described) ? 'unreachable' : undefined;
}

/** Errors are wrapped by libraries, and several addresses of a name fail together. */
const deepest = 5;

/** Classifies the error as one of the database; undefined: it is the query's own fault or a bug. */
export function storeFailure(error: unknown, depth = 0): StoreFailure | undefined {
  if (error === null || typeof error !== 'object' || depth > deepest) return undefined;
  const described: Described = error;
  const own = failureOf(described);
  if (own !== undefined) return own;
  const inner = Array.isArray(described.errors) ? described.errors : [];
  for (const one of [...inner, described.cause]) {
    const found = storeFailure(one, depth + 1);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** SQLSTATE 25006: the server is a standby now, or was made read-only; another one may take writes. */
export const isReadOnly = (error: unknown): boolean => (error as { code?: unknown } | null)?.code === '25006';
