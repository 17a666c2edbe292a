/** The 23 events of Jamf Pro's webhooks (domain/jamf.md 3.2) and what each one's payload tells about computers. */

/**
 * Place of the computers in an event. `computer`: a computer object, nested or flat. `membership`: lists of added and
 * removed ids. `rest-operation`: the object of an API call. `nothing`: no computer that the gateway keeps.
 */
export type ComputerSource = 'computer' | 'membership' | 'rest-operation' | 'nothing';

const sources = {
  ComputerAdded: 'computer',
  ComputerCheckIn: 'computer',
  ComputerInventoryCompleted: 'computer',
  ComputerPatchPolicyCompleted: 'computer',
  ComputerPolicyFinished: 'computer',
  ComputerPushCapabilityChanged: 'computer',
  DeviceAddedToDEP: 'nothing',
  DeviceRateLimited: 'nothing',
  JSSShutdown: 'nothing',
  JSSStartup: 'nothing',
  MobileDeviceCheckIn: 'nothing',
  MobileDeviceCommandCompleted: 'nothing',
  MobileDeviceEnrolled: 'nothing',
  MobileDeviceInventoryCompleted: 'nothing',
  MobileDevicePushSent: 'nothing',
  MobileDeviceUnEnrolled: 'nothing',
  PatchSoftwareTitleUpdated: 'nothing',
  PushSent: 'nothing',
  RestAPIOperation: 'rest-operation',
  SCEPChallenge: 'nothing',
  SmartGroupComputerMembershipChange: 'membership',
  SmartGroupMobileDeviceMembershipChange: 'nothing',
  SmartGroupUserMembershipChange: 'nothing',
} as const satisfies Record<string, ComputerSource>;

export type JamfEventName = keyof typeof sources;

const names = Object.keys(sources) as readonly JamfEventName[];
// Older servers write `ComputerCheckin`, newer ones `ComputerCheckIn`: names are compared by their letters, without case.
const lettersOf = (name: string): string => name.toLowerCase().replace(/[^a-z]/g, '');
const byLetters = new Map(names.map((name) => [lettersOf(name), name]));

/** The event's canonical name, or `undefined` when this version knows no such event. */
export function canonicalEventName(name: string): JamfEventName | undefined {
  return byLetters.get(lettersOf(name));
}

/** Place in which this event names computers. */
export function computerSource(event: JamfEventName): ComputerSource {
  return sources[event];
}

/** Every event that Jamf Pro can be told to send, canonical names. */
export const jamfEventNames: readonly JamfEventName[] = names;

/** The events that an instance should send, with what each is for; more do no harm. */
export const recommendedEvents = [
  { event: 'ComputerAdded', tells: 'A computer is new or was enrolled again.' },
  { event: 'ComputerCheckIn', tells: 'A computer is alive.' },
  { event: 'ComputerInventoryCompleted', tells: 'What is known of a computer may have changed.' },
  {
    event: 'SmartGroupComputerMembershipChange',
    tells: 'A computer became compliant, or no longer is.',
  },
] as const satisfies readonly { readonly event: JamfEventName; readonly tells: string }[];
