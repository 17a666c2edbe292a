import { createLog, type Log } from '../../telemetry/log.ts';
import type { Config } from '../config.ts';

export const createWorkerLog = (config: Pick<Config, 'logLevel'>): Log =>
  createLog({
    level: config.logLevel,
    format: 'json',
    // biome-ignore lint/suspicious/noConsole: the console is the log of a Worker
    write: (line) => console.log(line),
  });
