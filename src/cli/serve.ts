import { availableParallelism } from 'node:os';
import { setFlagsFromString } from 'node:v8';
import { createNodeLog, startGateway } from '../runtime/node.ts';
import { configOrExit } from './environment.ts';

/** `espalier serve` and `espalier worker`: until SIGTERM, SIGINT or a closed terminal, then drained, exit 0. */
export async function serve(options: { listeners: boolean }): Promise<void> {
  const config = await configOrExit();
  // With one processor the helpers of a collection only keep it from the thread that waits for them.
  if (availableParallelism() === 1) setFlagsFromString('--no-parallel-scavenge');
  const log = createNodeLog(config);
  const gateway = await startGateway(config, log, options);
  let stopping = false;
  const stop = async (signal: string): Promise<void> => {
    if (stopping) return;
    stopping = true;
    log.info('stopping', { signal });
    await gateway.stop();
    process.exit(0);
  };
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => void stop(signal));
  // Scripts wait for this line, so it is JSON whatever the log's format.
  process.stdout.write(
    `${JSON.stringify({ time: new Date().toISOString(), level: 'info', event: 'ready', ...(gateway.urls ?? {}) })}\n`,
  );
}
