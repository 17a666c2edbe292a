/** Chooses the representation that an `Accept` header asks for (RFC 9110, section 12.5.1). Pure. */

interface Range {
  readonly type: string;
  readonly quality: number;
}

function rangesOf(accept: string): Range[] {
  return accept.split(',').map((part) => {
    const [type = '', ...parameters] = part.split(';').map((text) => text.trim().toLowerCase());
    const weight = parameters.find((parameter) => /^q\s*=/.test(parameter));
    const quality = weight === undefined ? 1 : Number(weight.slice(weight.indexOf('=') + 1));
    return { type, quality: Number.isFinite(quality) ? quality : 0 };
  });
}

/** The range that names the type most closely decides. */
function weigh(
  type: string,
  ranges: readonly Range[],
): { readonly quality: number; readonly closeness: number } {
  const names = [type, `${type.split('/')[0]}/*`, '*/*'];
  for (const [at, name] of names.entries()) {
    const range = ranges.find((one) => one.type === name);
    if (range) return { quality: range.quality, closeness: names.length - at };
  }
  return { quality: 0, closeness: 0 };
}

/**
 * Chooses the type on offer that is wanted most; of equals the one that is named more closely, then the one that is
 * offered first. What accepts none of them gets the first: an error that tells nothing would help nobody.
 */
export function preferredType<const T extends string>(
  accept: string | undefined,
  offered: readonly [T, ...T[]],
): T {
  const ranges = accept === undefined || accept.trim() === '' ? [] : rangesOf(accept);
  let [best]: readonly [T, ...T[]] = offered;
  let bestWeight = weigh(best, ranges);
  for (const type of offered.slice(1)) {
    const weight = weigh(type, ranges);
    const more =
      weight.quality > bestWeight.quality ||
      (weight.quality === bestWeight.quality && weight.closeness > bestWeight.closeness);
    if (weight.quality > 0 && more) [best, bestWeight] = [type, weight];
  }
  return best;
}
