/** The driver's queries beyond their public type: they go to `handler` when somebody awaits them. */
export interface DriverQuery {
  /** It is a COPY: it resolves once with the stream, and again when the stream has ended. */
  readonly streaming?: boolean;
  /** Resolves when the server was asked to cancel it; null: it was asked before. */
  readonly canceller?: ((query: DriverQuery) => Promise<void>) | null;
  handler: (query: DriverQuery) => void;
  resolve: (result: unknown) => void;
  reject: (error: unknown) => void;
}

export const isQuery = (value: unknown): value is DriverQuery =>
  typeof (value as Partial<DriverQuery> | null)?.handler === 'function';
