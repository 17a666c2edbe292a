/** One of several processes of `serve`: it starts, serves and ends as its supervisor says (docs/processes.md). */

import { createNodeLog, type RunningGateway, startGateway } from '../runtime/node.ts';
import { joinSupervisor } from '../runtime/node-processes/member.ts';
import { connectionsProblem, shareOfMachine } from '../runtime/process-shares.ts';
import { settings } from '../runtime/settings.ts';
import { readConfig } from './environment.ts';
import { exitCodes } from './failure.ts';
import { faultLines, type ServeOptions } from './serve-words.ts';

export async function serveAsMember(options: ServeOptions): Promise<void> {
  const channel = await joinSupervisor();
  const stopping = new AbortController();
  channel.onStop(() => stopping.abort(new Error('stopped by the supervisor')));
  const fail = async (lines: readonly string[]): Promise<never> => {
    if (!stopping.signal.aborted) await channel.fault(lines);
    process.exit(stopping.signal.aborted ? 0 : exitCodes.error);
  };
  const read = await readConfig();
  if (!read.ok) return fail(read.lines);
  const problem = connectionsProblem(read.config.databaseConnections, channel.processes);
  if (problem !== undefined) return fail([`${settings.databaseConnections.name} ${problem}`]);
  const config = shareOfMachine(read.config, channel.processes);
  const log = createNodeLog(config, { process: channel.number, pid: process.pid });
  const { signal } = stopping;
  const gateway: RunningGateway = await startGateway(config, log, {
    ...options,
    ...{ member: channel, signal },
  }).catch((error: unknown) => fail(faultLines(error)));
  let isStopping = false;
  const end = (code: number, delayMs: number, closed: boolean): void => {
    const ended = gateway.stop(delayMs, closed);
    if (!isStopping) void ended.then(channel.farewell).then(() => process.exit(code));
    isStopping = true;
  };
  gateway.delivering.catch((error: unknown) => {
    if (!isStopping) void channel.fault(faultLines(error)).then(() => end(exitCodes.error, 0, false));
  });
  channel.onStop((delayMs, closed) => end(0, delayMs, closed));
  if (isStopping) return;
  const { degradedSeconds, urls } = gateway;
  channel.ready({ urls, ...(degradedSeconds === undefined ? {} : { degradedSeconds }) });
}
