/**
 * The environment of a process of ours besides its own settings: nothing of whoever runs the tests, but the code that others
 * of this run have compiled already. Reading TypeScript is most of the work of a short process.
 */
export const ownEnvironment = (): Record<string, string> => ({
  PATH: process.env.PATH ?? '',
  // No balancer sends calls here; drain.test.ts and rolling-restart.test.ts set it.
  ESPALIER_DRAIN_DELAY_SECONDS: '0',
  ...Object.fromEntries(
    ['NODE_COMPILE_CACHE', 'TESTED_BUNDLES', 'TESTED_MEMORY_FILE'].flatMap((name) => {
      const value = process.env[name];
      return value === undefined ? [] : [[name, value]];
    }),
  ),
});
