/** What happened, as lines: the last ones are kept for a person, all of them are in the hash. */
export interface Trace {
  line(text: string): void;
  /** Of all lines so far. */
  hash(): string;
  lines(): number;
  last(count: number): readonly string[];
}

const kept = 5_000;

export function createTrace(now: () => number, startMs: number): Trace {
  let ring: string[] = [];
  let count = 0;
  let low = 0x811c9dc5;
  let high = 0x9747b28c;
  return {
    line: (text) => {
      const line = `${((now() - startMs) / 1_000).toFixed(3).padStart(9)} ${text}`;
      count += 1;
      // FNV-1a, twice: short and the same everywhere.
      for (let index = 0; index < line.length; index += 1) {
        low = Math.imul(low ^ line.charCodeAt(index), 0x01000193);
        high = Math.imul(high ^ line.charCodeAt(index), 0x01000197);
      }
      ring.push(line);
      if (ring.length > 2 * kept) ring = ring.slice(-kept);
    },
    hash: () => `${(low >>> 0).toString(16)}-${(high >>> 0).toString(16)}`,
    lines: () => count,
    last: (some) => ring.slice(-some),
  };
}
