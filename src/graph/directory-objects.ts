/** Reads the objects behind ids: notifications name nothing else. */

import { parseGuid } from '../ids.ts';
import { asObject, type JsonObject } from '../untrusted/bounded-json.ts';
import { asString, type GraphCall, type GraphFailure, sendObject } from './call.ts';

export type DirectoryObject =
  | { readonly objectId: string; readonly type: 'group' }
  | {
      readonly objectId: string;
      readonly type: 'device';
      readonly deviceId: string;
      readonly enabled: boolean;
    };

/** Graph takes so many ids at once ("directoryObject: getByIds" on learn.microsoft.com). */
export const idsTogether = 1_000;

function objectOf(item: JsonObject): DirectoryObject | undefined {
  const objectId = parseGuid(asString(item.id));
  if (objectId === undefined) return undefined;
  switch (asString(item['@odata.type'])?.toLowerCase()) {
    case '#microsoft.graph.group':
      return { objectId, type: 'group' };
    case '#microsoft.graph.device': {
      const deviceId = parseGuid(asString(item.deviceId));
      // Default: enabled. Only an explicit `false` disables a device.
      const enabled = item.accountEnabled !== false;
      return deviceId === undefined ? undefined : { objectId, type: 'device', deviceId, enabled };
    }
    default:
      return undefined;
  }
}

/**
 * The groups and devices among at most `idsTogether` ids; others, and those that are gone, are left out. Needs
 * Directory.Read.All.
 */
export async function readObjects(
  call: GraphCall & { readonly ids: readonly string[] },
): Promise<{ readonly ok: true; readonly objects: readonly DirectoryObject[] } | GraphFailure> {
  const answer = await sendObject(call, 'POST', 'directoryObjects/getByIds', {
    ids: call.ids,
    types: ['group', 'device'],
  });
  if (!answer.ok) return answer;
  const { value } = answer.body;
  if (!Array.isArray(value)) return { ok: false, failure: 'error', detail: 'the answer is no collection' };
  return {
    ok: true,
    objects: value
      .map(asObject)
      .map((item) => item && objectOf(item))
      .filter((one) => one !== undefined),
  };
}
