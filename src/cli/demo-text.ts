import { join, relative } from 'node:path';
import type { JoinedInstance } from './demo-instances.ts';
import type { DemoContext, DemoTruth } from './demo-world.ts';

/** The last line of `--once`: contract.md 9. */
export interface DemoSummary {
  readonly devices: number;
  readonly routed: number;
  readonly uploaded: number;
  readonly completed: number;
  readonly verified: number;
  readonly misrouted: number;
  readonly seconds: number;
}

export const isComplete = (summary: DemoSummary): boolean =>
  summary.devices > 0 &&
  summary.misrouted === 0 &&
  [summary.routed, summary.uploaded, summary.completed, summary.verified].every(
    (count) => count === summary.devices,
  );

/** Shown for a run that did not come that far. */
export const emptySummary = (seconds: number): DemoSummary => ({
  devices: 0,
  routed: 0,
  uploaded: 0,
  completed: 0,
  verified: 0,
  misrouted: 0,
  seconds,
});

/** One row of numbers under their names. */
export function summaryTable(summary: DemoSummary): string {
  const columns = Object.entries(summary).map(([name, value]) => {
    const width = Math.max(name.length, String(value).length) + 2;
    return { name: name.padStart(width), line: '-'.repeat(width), value: String(value).padStart(width) };
  });
  return (['name', 'line', 'value'] as const)
    .map((row) => columns.map((column) => column[row]).join(''))
    .join('\n');
}

/** Addresses and files as copy-paste commands need them. */
export interface DemoPlaces {
  readonly gatewayDir: string;
  readonly simulatorDir: string;
  readonly admin: string;
  readonly data: string;
  readonly ops: string;
  readonly control: string;
}

/** Commands that a reader may paste, with a device of the fleet in them. */
export function nextSteps(
  context: DemoContext,
  places: DemoPlaces,
  device: DemoTruth | undefined,
  joined: JoinedInstance | undefined,
): string {
  if (!device || !joined) return '';
  const here = (path: string): string => relative(process.cwd(), path) || '.';
  const gateway = `curl -s --cacert ${here(join(places.gatewayDir, 'tls.crt'))}`;
  const world = `curl -s --cacert ${here(context.world.caFile)}`;
  const key = `-H "Authorization: Bearer $(cat ${here(join(places.simulatorDir, 'bootstrap-key'))})"`;
  const tenant = `${places.admin}/api/v1/tenants/${device.tenantId}`;
  const one = `${tenant}/devices/${device.deviceId}`;
  const { cloud } = joined.tenant;
  const { caller, connector } = context.world.applications[cloud] ?? {};
  const authority = context.world.clouds[cloud]?.authority;
  const webhook = JSON.stringify({
    webhook: { webhookEvent: 'ComputerCheckIn' },
    event: {
      computer: { jssID: device.jamfComputerId, udid: device.udid, serialNumber: device.serialNumber },
    },
  });
  return [
    'Where to look next (the same commands work for any device of GET …/devices):',
    '',
    '# which instance manages this Mac, by which rule, and what would change it',
    `${gateway} ${key} ${one}/explain`,
    '# the way of its state: received, fetched, routed, sent, accepted, completed, verified',
    `${gateway} ${key} ${one}/timeline`,
    '# the tenant: connection, backlog, reports by state',
    `${gateway} ${key} ${tenant}/status`,
    '# what Prometheus scrapes',
    `curl -s ${places.ops}/metrics`,
    '# the Mac is found wanting: watch the verdict arrive in Entra a moment later',
    `${world} ${places.control}/fleet/set-compliant -d '{"deviceId":"${device.deviceId}","compliant":false}'`,
    `${world} ${places.control}/microsoft/tenants/${device.tenantId}/devices | grep -o '"deviceId":"${device.deviceId}","entra":{[^}]*}'`,
    `# a webhook of instance ${joined.instance.name} by hand`,
    `${gateway} -u "jamf:$(cat ${here(joined.keyFile)})" -H 'content-type: application/json' ${places.data}/jamf/${joined.instanceId}/webhooks -d '${webhook}'`,
    '# a call from the Microsoft side, answered by the instance that manages the Mac',
    `TOKEN=$(${world} ${authority}/${device.tenantId}/oauth2/v2.0/token -d grant_type=client_credentials -d client_id=${caller?.clientId} -d client_secret=$(cat ${here(caller?.secretFile ?? '')}) -d scope=${connector?.clientId}/.default | sed 's/.*"access_token":"\\([^"]*\\)".*/\\1/')`,
    `${gateway} -H "Authorization: Bearer $TOKEN" ${places.data}/t/${device.tenantId}/devices/${device.deviceId}/compliance`,
    '',
    `Logs: ${here(join(places.gatewayDir, '..', 'gateway.log'))}, ${here(join(places.gatewayDir, '..', 'simulator.log'))}`,
    'For your own tenants: register the applications, set ESPALIER_ENTRA_CLIENT_ID with its certificate and',
    'ESPALIER_PUBLIC_URL, start "npm run -s espalier -- serve", and make the same calls as this demo did:',
    'POST /tenants, …/connect, …/instances, …/confirm, then the webhooks in Jamf Pro. Without ESPALIER_CLOUDS_FILE',
    "the clouds are Microsoft's own.",
  ].join('\n');
}
