/** Chooses one of our languages by a browser's `Accept-Language` (RFC 9110, 12.5.4). */

export const languages = ['en', 'fr'] as const;
export type Language = (typeof languages)[number];

interface Range {
  /** The primary subtag in lower case, or `*`: a page in French is also one for `fr-CA`. */
  readonly primary: string;
  readonly quality: number;
}

/** Weight of `;q=…`: 1 without one, undefined for one that is none. */
function qualityOf(parameters: readonly string[]): number | undefined {
  let quality = 1;
  for (const parameter of parameters) {
    const match = /^[ \t]*q[ \t]*=[ \t]*(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)[ \t]*$/i.exec(parameter);
    if (!match) return undefined;
    quality = Number(match[1]);
  }
  return quality;
}

function readRange(text: string): Range[] {
  const [tag = '', ...parameters] = text.split(';');
  const primary = /^[ \t]*(\*|[a-z]{1,8})(?:-[a-z0-9]{1,8})*[ \t]*$/i.exec(tag)?.[1]?.toLowerCase();
  const quality = qualityOf(parameters);
  return primary === undefined || quality === undefined ? [] : [{ primary, quality }];
}

/**
 * The language with the highest weight; of two with the same one the one that is named first. A language that is not
 * named has the weight of `*`. English where nothing fits: a page in the wrong language is better than none. What is
 * not in the form of the header is passed over.
 */
export function chooseLanguage(header: string | undefined): Language {
  const ranges = (header ?? '').split(',').flatMap(readRange);
  const wishes = languages.map((language) => {
    const own = ranges.filter(({ primary }) => primary === language);
    const fitting = own.length > 0 ? own : ranges.filter(({ primary }) => primary === '*');
    const quality = Math.max(0, ...fitting.map((range) => range.quality));
    const position = ranges.findIndex((range) => fitting.includes(range) && range.quality === quality);
    return { language, quality, position };
  });
  const [best] = wishes
    .filter(({ quality }) => quality > 0)
    .sort((a, b) => b.quality - a.quality || a.position - b.position);
  return best?.language ?? 'en';
}

export const languageParameter = 'language';

const named = (text: string | null | undefined): Language | undefined =>
  languages.find((language) => language === text?.toLowerCase());

/** The language that the address asks for by `?language=fr`; undefined: none of ours. */
export const askedLanguage = (query: URLSearchParams): Language | undefined =>
  named(query.get(languageParameter));

/** The address goes before what was chosen earlier (`kept`), and that before the browser's own wish. */
export const languageOf = (
  query: URLSearchParams,
  header: string | undefined,
  kept?: string | undefined,
): Language => askedLanguage(query) ?? named(kept) ?? chooseLanguage(header);
