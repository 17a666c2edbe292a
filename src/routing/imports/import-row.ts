/** Place that a file gives for a device. */
export interface ImportRow {
  /** Line of the file, from 1; no two rows have the same. */
  readonly line: number;
  readonly deviceId: string;
  readonly instanceId: string;
  readonly jamfComputerId: number;
  /** Null: not given. */
  readonly serialNumber: string | null;
  readonly udid: string | null;
  readonly pinned: boolean;
}
