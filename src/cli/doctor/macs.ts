/** Hosts that Macs themselves need (mission M19; domain/microsoft.md 1.1 and 8, domain/jamf.md 5.3), by Microsoft cloud. */

export interface MacHost {
  readonly host: string;
  readonly port: number;
  readonly for: string;
}

const microsoft = (authority: string, registration: string, intune: string): readonly MacHost[] => [
  { host: authority, port: 443, for: 'sign-in' },
  { host: `device.${authority}`, port: 443, for: 'sign-in of the device' },
  { host: registration, port: 443, for: 'registration in Entra ID' },
  { host: `certauth.${registration}`, port: 443, for: 'registration in Entra ID' },
  { host: intune, port: 443, for: 'Company Portal' },
  { host: `enterpriseenrollment.${intune}`, port: 443, for: 'Company Portal' },
];

/** Apple's push service, in 17.0.0.0/8: without it Jamf Pro does not reach a Mac. */
const apple: readonly MacHost[] = [
  { host: '1-courier.push.apple.com', port: 5223, for: "Apple's push service" },
  { host: '1-courier.push.apple.com', port: 443, for: "Apple's push service, where 5223 is closed" },
];

const byCloud: Readonly<Record<string, readonly MacHost[]>> = {
  public: microsoft(
    'login.microsoftonline.com',
    'enterpriseregistration.windows.net',
    'manage.microsoft.com',
  ),
  usgov: microsoft(
    'login.microsoftonline.us',
    'enterpriseregistration.microsoftonline.us',
    'manage.microsoft.us',
  ),
  'usgov-dod': microsoft(
    'login.microsoftonline.us',
    'enterpriseregistration.microsoftonline.us',
    'manage.microsoft.us',
  ),
  china: microsoft(
    'login.partner.microsoftonline.cn',
    'enterpriseregistration.partner.microsoftonline.cn',
    'manage.microsoft.cn',
  ),
};

/** Each once, in a stable order; a cloud of the clouds file that is not built in has none that are known. */
export function macHosts(clouds: readonly string[]): readonly MacHost[] {
  const all = [...clouds].sort().flatMap((cloud) => byCloud[cloud] ?? []);
  return [...new Map([...all, ...apple].map((host) => [`${host.host}:${host.port}`, host])).values()];
}
