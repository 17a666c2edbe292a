/** What Jamf Pro would send, made cheaply: neither the load generator nor the peer shall be busy making it. */

/** Ids are drawn from this many, so that most are new and some come again. */
const computerIds = 1_000_000;
/** Size of a pushed record. */
const recordBytes = 4_096;

export interface Message {
  readonly jamfComputerId: number;
  readonly text: string;
}

const randomId = (below = computerIds): number => 1 + Math.floor(Math.random() * below);

/** A ComputerCheckIn as JSON (domain/jamf.md 3.3). */
export function checkIn(): Message {
  const jamfComputerId = randomId();
  const text = `{"webhook":{"id":1,"name":"Check-ins","webhookEvent":"ComputerCheckIn","eventTimestamp":1793000000123},"event":{"computer":{"jssID":${jamfComputerId},"udid":"55900BDC-347C-58B1-D249-F32244B11D30","deviceName":"Mac ${jamfComputerId}","serialNumber":"C02BENCH${jamfComputerId}","osVersion":"26.1","model":"Mac16,1","username":"someone","managementId":"73226fb6-61df-4c10-9552-eb9bc353d507"},"trigger":"CLIEvent","username":"someone"}}`;
  return { jamfComputerId, text };
}

/** The end of every record, with as many applications as fill it up; no two of them are alike. */
const rest = ((): string => {
  const head =
    '"general":{"name":"Mac","reportDate":"2026-11-01T08:00:00.000Z","lastEnrolledDate":"2026-01-02T08:00:00.000Z","remoteManagement":{"managed":true}},"hardware":{"model":"Mac16,1","serialNumber":"C02BENCH"},"operatingSystem":{"name":"macOS","version":"26.1"},"localUserAccounts":[],"groupMemberships":[],"applications":[';
  const applications: string[] = [];
  const size = (): number => `{"id":"1000000",${head}${applications.join(',')}]}`.length;
  while (size() < recordBytes - 200) {
    const id = crypto.randomUUID();
    applications.push(
      `{"name":"${id.slice(0, 8)}.app","path":"/Applications/${id.slice(9, 18)}.app","version":"${applications.length}.4.1","bundleId":"com.example.${id}","macAppStore":false,"sizeMegabytes":${randomId(900)}}`,
    );
  }
  return `${head}${applications.join(',')}]}`;
})();

/** Records of computers with neighbouring ids, as a page of Jamf Pro's inventory has them. */
export function records(count: number): Message[] {
  const first = randomId(computerIds - count + 1);
  return Array.from({ length: count }, (_, index) => {
    const jamfComputerId = first + index;
    return { jamfComputerId, text: `{"id":"${jamfComputerId}",${rest}` };
  });
}

/** A record whose user has registered the Mac with Entra: the gateway learns the device's route from it. */
export function registeredRecord(jamfComputerId: number, deviceId: string): string {
  return JSON.stringify({
    id: String(jamfComputerId),
    general: { name: `Mac ${jamfComputerId}`, reportDate: '2026-11-01T08:00:00.000Z' },
    localUserAccounts: [
      {
        username: 'someone',
        computerAzureActiveDirectoryId: deviceId,
        userAzureActiveDirectoryId: crypto.randomUUID(),
        azureActiveDirectoryId: 'ACTIVATED',
      },
    ],
  });
}
