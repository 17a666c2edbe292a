import { renameSync, writeFileSync } from 'node:fs';
import { watchLoop } from './loop-slices.ts';

/**
 * Preloaded into the measured process (`--import`): at SIGUSR2 it writes how long the event loop was held at most, since
 * the last time, to the file of `BENCH_LOOP_FILE`.
 */

const file = process.env.BENCH_LOOP_FILE ?? '';
const seen = watchLoop();

process.on('SIGUSR2', () => {
  void seen().then((found) => {
    writeFileSync(`${file}.new`, JSON.stringify(found));
    renameSync(`${file}.new`, file);
  });
});
