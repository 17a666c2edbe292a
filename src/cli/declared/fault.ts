import type { Place } from './model.ts';

/** Something in the files that is not as it must be. */
export interface Fault {
  /** undefined: the file as a whole, or the command line. */
  readonly place: Place | undefined;
  readonly file: string;
  /** The path of the value, as `tenants[0].instances[1].url`; empty for the document. */
  readonly path: string;
  /** The fault and its correction. */
  readonly problem: string;
}

export const describePlace = ({ column, file, line }: Place): string => `${file}:${line}:${column}`;

/** One line, as compilers and editors have them. */
export const describeFault = ({ file, path, place, problem }: Fault): string =>
  `${place ? describePlace(place) : file}: ${path === '' ? '' : `${path} `}${problem}`;
