/** A migration that the database refuses; the server's reason and, where a grant is missing, which. */
export class MigrationFailed extends Error {
  override readonly name = 'MigrationFailed';
  /** The server's SQLSTATE. */
  readonly code: string;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
