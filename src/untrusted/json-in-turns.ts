/** Parses a large JSON text in turns with other work, and a small one at once; structure is bounded in both. */

import { parseBoundedJson } from './bounded-json.ts';
import { type DocumentLimits, DocumentReader } from './json-document.ts';
import type { Work } from './turns.ts';

/** Up to here it takes some milliseconds at once. */
const atOnceCharacters = 262_144;
const pieceCharacters = 16_384;

/** Pieces of a text; a pair of surrogates stays together. */
function* piecesOf(text: string): Generator<Uint8Array> {
  const encoder = new TextEncoder();
  for (let from = 0; from < text.length; ) {
    let to = Math.min(from + pieceCharacters, text.length);
    const last = text.charCodeAt(to - 1);
    if (to < text.length && last >= 0xd800 && last < 0xdc00) to += 1;
    yield encoder.encode(text.slice(from, to));
    from = to;
  }
}

/** Throws SyntaxError for what is no JSON, nested too deep, or holds too much. */
export async function parseInTurns(text: string, limits: DocumentLimits, work: Work): Promise<unknown> {
  if (text.length <= atOnceCharacters) {
    return parseBoundedJson(text, { depth: limits.unit.depth, nodes: limits.nodes });
  }
  const decoder = new TextDecoder();
  const reader = new DocumentReader(limits, (unit) => JSON.parse(decoder.decode(unit)) as unknown);
  const steps = async (some: Generator<void>): Promise<void> => {
    for (const _ of some) if (work.isOver()) await work.turn();
    work.isOver();
  };
  for (const piece of piecesOf(text)) {
    await work.turn();
    await steps(reader.push(piece));
    if (reader.fault !== undefined) break;
  }
  await steps(reader.end());
  const fault = reader.fault;
  if (fault !== undefined) throw new SyntaxError(`it is no JSON that is read: ${fault}`);
  return reader.value;
}
