import { readFile } from 'node:fs/promises';
import type { DemoHttp, JsonApi } from './demo-http.ts';

/** The answer of `/control/world` (src/simulator/control.ts), as far as the demo needs it. */
export interface DemoWorld {
  readonly seed: number;
  readonly caFile: string;
  readonly clouds: Readonly<Record<string, { readonly authority: string }>>;
  readonly applications: Readonly<
    Record<
      string,
      {
        readonly connector: { readonly clientId: string };
        readonly caller: { readonly clientId: string; readonly secretFile: string };
      }
    >
  >;
  readonly tenants: readonly DemoTenant[];
  readonly macs: number;
  readonly devices: number;
}

export interface DemoTenant {
  readonly tenantId: string;
  readonly cloud: string;
  readonly displayName: string;
  readonly instances: readonly DemoInstance[];
}

export interface DemoInstance {
  readonly name: string;
  readonly url: string;
  readonly clientId: string;
  readonly secretFile: string;
  readonly version: string;
  readonly complianceGroupId: number;
}

/** The true state of a device (`/control/fleet/truth`). */
export interface DemoTruth {
  readonly tenantId: string;
  readonly deviceId: string;
  readonly instance: string;
  readonly jamfComputerId: number;
  readonly serialNumber: string;
  readonly udid: string;
  readonly compliant: boolean | null;
}

/** Everything the steps of the demo work with. */
export interface DemoContext {
  /** The demo's data directory. */
  readonly dir: string;
  readonly http: DemoHttp;
  readonly control: JsonApi;
  readonly admin: JsonApi;
  /** Base URL of the data listener. */
  readonly gatewayUrl: string;
  readonly gatewayCertificatePem: string;
  readonly world: DemoWorld;
  /** Milliseconds since the epoch: reports before it are from an earlier run. */
  readonly startedAtMs: number;
  /** A line for people. */
  readonly say: (line: string) => void;
}

export const readSecret = async (file: string): Promise<string> => (await readFile(file, 'utf8')).trim();
