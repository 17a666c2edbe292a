/** The version of this build; package.json says the same, and a test holds them together. */
export const version = '0.2.0';

/** The name of Espalier towards Microsoft and instances; their support asks for it. */
export const userAgent = `Espalier/${version}`;
