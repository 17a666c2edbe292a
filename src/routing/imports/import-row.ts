/** Where a file wants a device to be. */
export interface ImportRow {
  /** Of the file, from 1; no two rows have the same. */
  readonly line: number;
  readonly deviceId: string;
  readonly instanceId: string;
  readonly jamfComputerId: number;
  /** Null: not given. */
  readonly serialNumber: string | null;
  readonly udid: string | null;
  readonly pinned: boolean;
}
