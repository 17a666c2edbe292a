/**
 * References to secrets that the gateway reads from its own machine, `env:NAME` or `file:/path`, each time one is needed.
 * The secret is sent to a server that an operator names, so a reference must never reach the gateway's own secrets.
 */

export const referencePattern = /^(env:[A-Za-z_][A-Za-z0-9_]*|file:\/.+)$/;

/** A rotated secret counts at the next read, and nothing that is longer is a secret. */
export const referencedSecretBytes = 4_096;

/**
 * Variables that belong to the gateway, its libraries or the machine's network, and may hold credentials of theirs. Those
 * that begin with ESPALIER_INSTANCE_ are made for references.
 */
const ownVariable =
  /^(DATABASE_URL$|ESPALIER_(?!INSTANCE_)|OTEL_|PG|NODE_|NPM_|AWS_|AZURE_|GOOGLE_|SSL_|(\w+_)?PROXY$)/i;

export const isOwnVariable = (name: string): boolean => ownVariable.test(name);

/** Reason why a reference gives no secret. The message names the reference and holds nothing that was read. */
export class SecretUnreadable extends Error {
  /** True: the reference is not allowed at all; false: what it names is not there, or cannot be read now. */
  readonly refused: boolean;
  constructor(message: string, refused = false) {
    super(message);
    this.name = 'SecretUnreadable';
    this.refused = refused;
  }
}

export const ownVariableRefused = (reference: string): SecretUnreadable =>
  new SecretUnreadable(
    `${reference} names one of the gateway's own variables; use one that begins with ESPALIER_INSTANCE_`,
    true,
  );
