import { createHash } from 'node:crypto';
import { closeSync, openSync, writeSync } from 'node:fs';

/** The Macs of the tenant: made of their number, alike here and in SQL. */

export const instanceCount = 4;
/** Seven digits for every computer: all answers are equally long. */
const firstComputerId = 1_000_000;
export const maxDevices = 9_000_000;

export interface Device {
  readonly deviceId: string;
  readonly instance: number;
  readonly computerId: number;
}

/** As random as Entra's ids are: so that no table has its neighbours side by side. */
export function deviceOf(index: number): Device {
  const hex = createHash('md5').update(`mac ${index}`).digest('hex');
  const parts = [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)];
  return { deviceId: parts.join('-'), instance: index % instanceCount, computerId: firstComputerId + index };
}

/** The same in SQL, of a column `index`. */
export const deviceInSql = {
  deviceId: `md5('mac ' || index)::uuid`,
  instance: `index % ${instanceCount}`,
  computerId: `${firstComputerId} + index`,
} as const;

/** Evenly spread over all of them. */
export function sampleOf(devices: number, wanted: number): Device[] {
  const size = Math.min(devices, wanted);
  const stride = Math.floor(devices / size);
  return Array.from({ length: size }, (_, at) => deviceOf(at * stride + (at % stride)));
}

const linesPerWrite = 10_000;

/** One line for each: `tenant/devices/device instance:computer`, which is also how a path's middle reads. */
export function writeRoutes(path: string, tenantId: string, devices: number): void {
  const file = openSync(path, 'w');
  try {
    for (let from = 0; from < devices; from += linesPerWrite) {
      let text = '';
      for (let index = from; index < Math.min(from + linesPerWrite, devices); index += 1) {
        const { computerId, deviceId, instance } = deviceOf(index);
        text += `${tenantId}/devices/${deviceId} i${instance}:${computerId}\n`;
      }
      writeSync(file, text);
    }
  } finally {
    closeSync(file);
  }
}
