import { stringify } from 'csv-stringify/sync';
import { escapeFormula } from '../../../spreadsheet-cells.ts';
import type { Format } from './read-rows.ts';
import { columns } from './rows.ts';

/** Routes as the text that an import takes. */

export interface ExportRow {
  readonly deviceId: string;
  readonly instanceId: string;
  readonly jamfComputerId: number;
  readonly serialNumber: string | null;
  readonly udid: string | null;
  readonly pinned: boolean;
}

/** A plain field needs no quotes for any reader; everything else is the library's business. */
const plain = (text: string): boolean => /^(\w[\w.:-]*)?$/.test(text);

function csvLine({ deviceId, instanceId, jamfComputerId, pinned, serialNumber, udid }: ExportRow): string {
  const serial = serialNumber ?? '';
  const unit = udid ?? '';
  if (plain(serial) && plain(unit))
    return `${deviceId},${instanceId},${jamfComputerId},${serial},${unit},${pinned}\n`;
  const cells = [deviceId, instanceId, String(jamfComputerId), serial, unit, String(pinned)];
  return stringify([cells.map(escapeFormula)]);
}

const jsonLine = ({ jamfComputerId, ...row }: ExportRow): string => {
  const { deviceId, instanceId, pinned, serialNumber, udid } = row;
  return `${JSON.stringify({ deviceId, instanceId, jamfComputerId: String(jamfComputerId), serialNumber, udid, pinned })}\n`;
};

export const exportHeader: Readonly<Record<Format, string>> = { csv: `${columns.join(',')}\n`, ndjson: '' };

export const exportLine = (row: ExportRow, format: Format): string =>
  format === 'csv' ? csvLine(row) : jsonLine(row);
