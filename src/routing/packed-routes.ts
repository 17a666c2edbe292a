/**
 * A tenant's routes as bytes: one record of 36 for each, in the order of the devices. They are searched as they are, for an
 * object a route would take ten times as much.
 */

import { formatGuid, readGuid } from './guid-words.ts';
import type { RouteTarget } from './route-table.ts';

export interface PackableRoute extends RouteTarget {
  readonly deviceId: string;
}

const guidWords = 4;
const instanceAt = 16;
const computerAt = 32;
export const packedRouteBytes = 36;

const viewOf = (bytes: Uint8Array): DataView =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

function writeGuid(view: DataView, at: number, text: string, words: Int32Array): void {
  if (!readGuid(text, words, 0)) throw new Error('a route has an id that is no GUID');
  for (const [index, word] of words.entries()) view.setInt32(at + index * 4, word);
}

/** Routes of one tenant, ordered by device as the database orders GUIDs: byte by byte. */
export function packRoutes(routes: readonly PackableRoute[]): Uint8Array {
  const packed = new Uint8Array(routes.length * packedRouteBytes);
  const view = viewOf(packed);
  const words = new Int32Array(guidWords);
  for (const [index, { deviceId, instanceId, jamfComputerId }] of routes.entries()) {
    const at = index * packedRouteBytes;
    writeGuid(view, at, deviceId, words);
    writeGuid(view, at + instanceAt, instanceId, words);
    view.setInt32(at + computerAt, jamfComputerId);
  }
  return packed;
}

/** Below zero where the device at `at` comes before the sought one. */
function compareAt(view: DataView, at: number, sought: Int32Array): number {
  for (const [index, word] of sought.entries()) {
    const difference = view.getUint32(at + index * 4) - (word >>> 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** Undefined: the device has no route among these. */
export function findPacked(packed: Uint8Array, deviceId: string): RouteTarget | undefined {
  const sought = new Int32Array(guidWords);
  if (!readGuid(deviceId, sought, 0)) return undefined;
  const view = viewOf(packed);
  let low = 0;
  let high = Math.floor(packed.length / packedRouteBytes);
  while (low < high) {
    const middle = (low + high) >>> 1;
    const at = middle * packedRouteBytes;
    const order = compareAt(view, at, sought);
    if (order === 0) {
      const words = Int32Array.from({ length: guidWords }, (_, index) =>
        view.getInt32(at + instanceAt + index * 4),
      );
      return { instanceId: formatGuid(words, 0), jamfComputerId: view.getInt32(at + computerAt) };
    }
    if (order < 0) low = middle + 1;
    else high = middle;
  }
  return undefined;
}
