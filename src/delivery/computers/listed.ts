import type { InventoryPage } from '../../jamf/inventory-page.ts';
import type { ListedComputer } from '../../store/computers/listed.ts';

/** Those of a page that have an id; without one a computer cannot be read either. */
export function listedComputers(page: InventoryPage): readonly ListedComputer[] {
  const readable = page.items.map(({ computer, warnings }) => ({
    jamfComputerId: Number(computer.jamfComputerId),
    reportedAt: computer.reportedAt ?? null,
    // A date in a form that is not known may be a new one.
    unreadable: warnings.some(({ field }) => field === 'general.reportDate'),
    deviceIds: computer.registrationsReported
      ? computer.registrations.map((registration) => registration.deviceId)
      : undefined,
  }));
  const unreadable = page.rejected.flatMap(({ jamfComputerId }) =>
    jamfComputerId === undefined
      ? []
      : [
          {
            jamfComputerId: Number(jamfComputerId),
            reportedAt: null,
            unreadable: true,
            deviceIds: undefined,
          },
        ],
  );
  return [...readable, ...unreadable];
}
