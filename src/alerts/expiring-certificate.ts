/** A certificate of the gateway's own, and how long it is still good. */
export interface ExpiringCertificate {
  /** `listener`: one that the data and admin listeners present; `client-authority`: that of instances' certificates. */
  readonly kind: 'application' | 'listener' | 'client-authority';
  /** The application with its cloud, the file or folder, or the variable. */
  readonly name: string;
  /** Negative: it has ended. */
  readonly seconds: number;
}
