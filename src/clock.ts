/**
 * The clock of durations: how long something took, how long it is kept, when it may be tried again. It never goes back and
 * never jumps, whoever sets the machine's clock; the wall clock is for dates alone (which files read it: .ci/wall-clock.ts).
 *
 * Milliseconds, counted from the date of the process's start so that 0 is long ago; after somebody set the clock they are
 * no date any more.
 */
export const monotonicMs = (): number => performance.timeOrigin + performance.now();

export const dayMs = 86_400_000;
