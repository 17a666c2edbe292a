import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { macRecord } from './fleet.ts';
import { settledVersion } from './push-bodies.ts';

/**
 * A Jamf Pro that only knows the token endpoint and two answers, compliance of a fixed size and a record, so that the instance is
 * not what a benchmark measures: the simulator's instances keep a journal and compute what they say.
 */
export interface AnsweringInstance {
  readonly url: string;
  readonly clientId: string;
  readonly clientSecret: string;
  /** Bearer token that it gives out and asks for. */
  readonly token: string;
  close(): Promise<void>;
}

export const complianceBytes = 300;

/** As domain/jamf.md 2.1, for the computer that the path ends with; spaces behind JSON are JSON. */
const compliance = (path: string): string =>
  `[{"deviceId":"${path.slice(path.lastIndexOf('/') + 1)}","applicable":true,"complianceState":"COMPLIANT","complianceVendor":"Microsoft Intune","complianceVendorDeviceInformation":{"deviceIds":[]}}]`.padEnd(
    complianceBytes,
  );

interface Records {
  /** Default: the time at which a record is asked for, so that reading it ends what made a computer due. */
  readonly reportDate?: string | undefined;
  /** Each record has another version, which is told to Intune. */
  readonly isEverNew?: boolean | undefined;
}

let given = 0;

function record(
  tenant: number,
  path: string,
  { isEverNew = false, reportDate = new Date().toISOString() }: Records,
): string {
  given += 1;
  const device = Number(path.slice(path.lastIndexOf('/') + 1)) - 1;
  const osVersion = isEverNew ? `27.${given}` : settledVersion;
  return macRecord(tenant, device, { osVersion, compliant: true, reportDate });
}

/** Undefined: it is away. It has no list of computers, and a Jamf Pro that is away says nothing about who is gone. */
function answerOf(url: string, tenant: number | undefined, records: Records): string | undefined {
  if (!url.includes('/computers-inventory')) return compliance(url);
  if (tenant === undefined) return undefined;
  if (url.includes('-detail/')) return record(tenant, url, records);
  return url.includes('filter=general.reportDate') ? '{"totalCount":0,"results":[]}' : undefined;
}

/**
 * `tenant`: the number of the one whose Macs it has (fleet.ts); undefined: it has no inventory.
 */
export async function startAnsweringInstance(
  certificate: { readonly certificatePem: string; readonly keyPem: string },
  tenant?: number,
  records: Records = {},
): Promise<AnsweringInstance> {
  const token = crypto.randomUUID();
  const granted = JSON.stringify({ access_token: token, token_type: 'Bearer', expires_in: 3_600 });
  const { certificatePem: cert, keyPem: key } = certificate;
  const server = createServer({ cert, key, minVersion: 'TLSv1.2' }, (incoming, outgoing) => {
    const { headers, method, url = '' } = incoming;
    const isToken = method === 'POST' && url.endsWith('/oauth/token');
    const known = isToken || headers.authorization === `Bearer ${token}`;
    const answer = isToken ? granted : known ? answerOf(url, tenant, records) : '{}';
    const status = !known ? 401 : answer === undefined ? 503 : 200;
    const body = answer ?? '{}';
    incoming.resume();
    outgoing.writeHead(status, { 'content-type': 'application/json', 'content-length': body.length });
    outgoing.end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `https://localhost:${(server.address() as AddressInfo).port}`,
    clientId: 'bench',
    clientSecret: 'bench-secret',
    token,
    close: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
    },
  };
}
