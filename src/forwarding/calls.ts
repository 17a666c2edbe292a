/** The device calls that the Microsoft side may make, and what they become at the instance (contract section 6). */
export type DeviceCall = 'compliance' | 'inventory' | 'recalculate';

export interface InstanceRequest {
  readonly method: string;
  readonly path: string;
}

/** `inventoryVersion`: the newest of v1 to v4 that the instance has (domain/jamf.md 2.3). */
export function instanceRequest(
  call: DeviceCall,
  jamfComputerId: number,
  inventoryVersion: number,
): InstanceRequest {
  switch (call) {
    case 'compliance':
      return {
        method: 'GET',
        path: `/api/v1/conditional-access/device-compliance-information/computer/${jamfComputerId}`,
      };
    case 'inventory':
      return {
        method: 'GET',
        path: `/api/v${inventoryVersion}/computers-inventory-detail/${jamfComputerId}`,
      };
    case 'recalculate':
      return { method: 'POST', path: `/api/v1/computers/${jamfComputerId}/recalculate-smart-groups` };
  }
}
