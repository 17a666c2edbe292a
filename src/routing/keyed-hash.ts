/**
 * HalfSipHash-1-3 (Aumasson and Bernstein; the 32-bit SipHash) of five words. Instances choose the device ids that they
 * report, so a hash that can be foreseen would let one of them fill a single place of the table; the seed is secret.
 */
export type WordHash = (a: number, b: number, c: number, d: number, e: number) => number;

/** The last block of a message holds its length in the highest byte: 20 bytes. */
const lengthBlock = 20 << 24;
const words = 5;
const finalRounds = 3;

export function createWordHash(seed: readonly [number, number]): WordHash {
  const [k0, k1] = [seed[0] | 0, seed[1] | 0];
  return (a, b, c, d, e) => {
    let v0 = k0;
    let v1 = k1;
    let v2 = 0x6c796765 ^ k0;
    let v3 = 0x74656462 ^ k1;
    for (let step = 0; step <= words + finalRounds; step += 1) {
      // No array and no closure: this runs for every device call.
      const word =
        step === 0
          ? a
          : step === 1
            ? b
            : step === 2
              ? c
              : step === 3
                ? d
                : step === 4
                  ? e
                  : step === words
                    ? lengthBlock
                    : 0;
      if (step === words + 1) v2 ^= 0xff;
      v3 ^= word;
      v0 = (v0 + v1) | 0;
      v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
      v0 = (v0 << 16) | (v0 >>> 16);
      v2 = (v2 + v3) | 0;
      v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
      v0 = (v0 + v3) | 0;
      v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
      v2 = (v2 + v1) | 0;
      v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
      v2 = (v2 << 16) | (v2 >>> 16);
      v0 ^= word;
    }
    return v1 ^ v3;
  };
}

export function randomSeed(): [number, number] {
  const [a = 0, b = 0] = crypto.getRandomValues(new Int32Array(2));
  return [a, b];
}
