/** Programs of Debian's that these tests run; .ci/run installs them, and elsewhere what needs a missing one is skipped. */

import { execFileSync } from 'node:child_process';

/** True where the tests that need these programs are to be left out. In CI they fail instead. */
export const lacks = (...programs: readonly string[]): boolean =>
  process.env.CI === undefined &&
  programs.some((program) => {
    try {
      execFileSync('sh', ['-c', 'command -v "$1"', 'sh', program], { stdio: 'ignore' });
      return false;
    } catch {
      return true;
    }
  });
