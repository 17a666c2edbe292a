import { XMLBuilder } from 'fast-xml-parser';
import type { GroupChange } from './groups.ts';
import type { Computer } from './inventory.ts';

/** The events this simulator fires. */
export type FiredEvent =
  | 'ComputerAdded'
  | 'ComputerCheckIn'
  | 'ComputerInventoryCompleted'
  | 'ComputerPolicyFinished'
  | 'SmartGroupComputerMembershipChange'
  | 'JSSStartup'
  | 'JSSShutdown';

/** Every name a webhook can be made for (domain/jamf.md 3.2). */
export const webhookEvents = [
  'ComputerAdded',
  'ComputerCheckIn',
  'ComputerInventoryCompleted',
  'ComputerPatchPolicyCompleted',
  'ComputerPolicyFinished',
  'ComputerPushCapabilityChanged',
  'DeviceAddedToDEP',
  'DeviceRateLimited',
  'JSSShutdown',
  'JSSStartup',
  'MobileDeviceCheckIn',
  'MobileDeviceCommandCompleted',
  'MobileDeviceEnrolled',
  'MobileDeviceInventoryCompleted',
  'MobileDevicePushSent',
  'MobileDeviceUnEnrolled',
  'PatchSoftwareTitleUpdated',
  'PushSent',
  'RestAPIOperation',
  'SCEPChallenge',
  'SmartGroupComputerMembershipChange',
  'SmartGroupMobileDeviceMembershipChange',
  'SmartGroupUserMembershipChange',
] as const;

export type WebhookEvent = (typeof webhookEvents)[number];

/** Shapes of servers of other ages (domain/jamf.md 3.4). */
export interface PayloadVariants {
  /** Old servers put the computer object itself where new ones nest it under `computer`. */
  flatCheckIn: boolean;
  /** Leaves out what came over time: `eventTimestamp`, `managementId`, the two IP addresses. */
  omitNewFields: boolean;
}

type Body = Readonly<Record<string, unknown>>;

function computerObject({ id, managementId, facts }: Computer, variants: PayloadVariants): Body {
  return {
    udid: facts.udid,
    deviceName: facts.name,
    model: facts.model,
    macAddress: facts.macAddress,
    alternateMacAddress: facts.altMacAddress,
    serialNumber: facts.serialNumber,
    osVersion: facts.osVersion,
    osBuild: facts.osBuild,
    // "-1" is none: the assigned user is free text here.
    userDirectoryID: '-1',
    username: facts.username,
    realName: facts.realName,
    emailAddress: facts.email,
    phone: '',
    position: '',
    department: '',
    building: '',
    room: '',
    ...(variants.omitNewFields
      ? {}
      : { managementId, ipAddress: facts.ipAddress, reportedIpAddress: facts.reportedIpAddress }),
    jssID: id,
  };
}

/** Body of ComputerAdded and ComputerInventoryCompleted: the computer itself. */
export const computerEvent = computerObject;

/** Body of ComputerCheckIn, nested or flat. */
export const checkInEvent = (computer: Computer, variants: PayloadVariants): Body =>
  variants.flatCheckIn
    ? computerObject(computer, variants)
    : {
        computer: computerObject(computer, variants),
        trigger: 'CLIENT_CHECKIN',
        username: computer.facts.username,
      };

/** Body of ComputerPolicyFinished. */
export const policyEvent = (
  computer: Computer,
  policy: { readonly policyId: number; readonly successful: boolean },
  variants: PayloadVariants,
): Body => ({ computer: computerObject(computer, variants), ...policy });

/** Body of SmartGroupComputerMembershipChange; `jssid` has a lower-case d here. */
export const groupEvent = ({ group, added, removed }: GroupChange): Body => ({
  name: group.name,
  smartGroup: true,
  jssid: group.id,
  computer: true,
  groupAddedDevices: [],
  groupAddedDevicesIds: added,
  groupRemovedDevices: [],
  groupRemovedDevicesIds: removed,
});

/** Body of JSSStartup and JSSShutdown, the only events that name their instance. */
export const serverEvent = (name: string, url: string): Body => ({
  institution: name,
  hostAddress: new URL(url).hostname,
  webApplicationPath: '/usr/local/jss/tomcat/webapps/ROOT',
  isClusterMaster: true,
  jssUrl: `${url}/`,
});

const xml = new XMLBuilder({ format: true, suppressEmptyNode: false });

/** The envelope of domain/jamf.md 3.3 around a body; it does not identify the instance. */
export function envelope(
  webhook: { readonly id: number; readonly name: string; readonly contentType: string },
  event: FiredEvent,
  body: Body,
  options: { readonly atMs: number; readonly variants: PayloadVariants },
): string {
  const head = {
    ...(options.variants.omitNewFields ? {} : { eventTimestamp: options.atMs }),
    id: webhook.id,
    name: webhook.name,
    webhookEvent: event,
  };
  if (webhook.contentType === 'application/json') return JSON.stringify({ webhook: head, event: body });
  const document = xml.build({ JSSEvent: { webhook: head, event: body } });
  return `<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n${document}`;
}
