/**
 * A Worker that unpacks its binding PACKED, base64 of a gzip, for a reader that pauses. It answers how far ahead of that
 * reader the unpacker was at most, in bytes.
 */

import { unpackedChunks } from '../../src/gateway/unpacked-chunks.ts';
import { mebibyte } from '../../src/limits.ts';

/** Less than a slice, so that what was taken tells what the unpacker was given. */
const chunkBytes = 512;

// biome-ignore lint/style/noDefaultExport: workerd calls it.
export default {
  fetch: async (_request: Request, { PACKED }: { readonly PACKED: string }): Promise<Response> => {
    const packed = Uint8Array.from(atob(PACKED), (character) => character.charCodeAt(0));
    let taken = 0;
    async function* chunks(): AsyncGenerator<Uint8Array> {
      while (taken < packed.length) {
        const chunk = packed.subarray(taken, taken + chunkBytes);
        taken += chunk.length;
        yield chunk;
      }
    }
    /** What was taken at each size that was read; the ratio of all is known at the end. */
    const seen: { readonly taken: number; readonly size: number }[] = [];
    let size = 0;
    for await (const chunk of unpackedChunks(chunks(), 100 * mebibyte)) {
      size += chunk.length;
      seen.push({ taken, size });
      if (seen.length % 100 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    }
    const ratio = size / packed.length;
    const ahead = seen.reduce((most, at) => Math.max(most, at.taken * ratio - at.size), 0);
    return Response.json({ size, ahead });
  },
};
