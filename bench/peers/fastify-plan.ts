/** What the process of @fastify/http-proxy is told, as a file of JSON. */
export interface FastifyPlan {
  readonly port: number;
  /** PEM. */
  readonly publicKey: string;
  readonly issuer: string;
  readonly audience: string;
  /** File of lines `tenant/devices/device instance:computer`. */
  readonly routes: string;
  readonly instances: Readonly<Record<string, { readonly origin: string; readonly token: string }>>;
}
