import { gzipSync } from 'node:zlib';
import { macRecord } from './fleet.ts';

/** Bodies of inventory pushes, made where they are sent: each has a later report date than the one before it. */

export interface PushRecipe {
  /** The tenant's number, and its devices (fleet.ts). */
  readonly tenant: number;
  readonly firstDevice: number;
  readonly records: number;
  /** `plain`: nothing but the report date is new. In the packed ones a version is, too, which is told to Intune; a wide record keeps nearly 1 MiB. */
  readonly form: 'plain' | 'packed' | 'packed wide';
}

/** The instance answers this one for every Mac, too. */
export const settledVersion = '26.0';
/** A packed body is sent again for this long: packing is dearer than sending, and the sender shares a processor. */
const freshMs = 1_000;

/** Just below the limits of a record: 1 MiB and 50,000 elements and members. */
const wide = Array.from(
  { length: 9_000 },
  (_, id) => `{"definitionId":"${id}","name":"Extension attribute ${id}","values":["${'value '.repeat(7)}"]}`,
).join(',');

let made = 0;

export function pushBody({ firstDevice, form, records, tenant }: PushRecipe): string | Buffer {
  made += 1;
  const isPlain = form === 'plain';
  const state = {
    osVersion: isPlain ? settledVersion : `26.${made}`,
    compliant: true,
    reportDate: new Date().toISOString(),
  };
  const texts = Array.from({ length: records }, (_, at) => macRecord(tenant, firstDevice + at, state));
  if (isPlain) return texts.join('\n');
  const lines =
    form === 'packed'
      ? texts
      : texts.map((text) => text.replace('"general":{', `"general":{"extensionAttributes":[${wide}],`));
  return gzipSync(lines.join('\n'), { level: 1 });
}

/** The bodies of one sender: a packed one is made anew once it is not fresh any more. */
export function createPushBodies(recipe: PushRecipe): () => string | Buffer {
  if (recipe.form === 'plain') return () => pushBody(recipe);
  let body: string | Buffer = '';
  let madeMs = Number.NEGATIVE_INFINITY;
  return () => {
    if (performance.now() - madeMs > freshMs) {
      body = pushBody(recipe);
      madeMs = performance.now();
    }
    return body;
  };
}
