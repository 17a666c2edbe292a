/** Before each file: simulated services take their keys from those of the run (test/harness/postgres.setup.ts). */

import { keepRsaKeys } from '../../src/simulator/rsa-keys.ts';

const directory = process.env.TESTED_KEYS;
/** A cloud has four, and each turn of its keys makes one or two. */
if (directory !== undefined) keepRsaKeys(directory, 40);
