/**
 * `serve` on several processes, led by signals: SIGTERM drains all of them, SIGINT ends them without a delay, and SIGHUP
 * replaces them one after the other, so that a new version of the code and of `.env` comes in force without a failed call.
 */

import type { Config } from '../runtime/config.ts';
import { createNodeLog } from '../runtime/node.ts';
import type { ProcessEnd } from '../runtime/node-processes/process.ts';
import { type Supervisor, startSupervisor } from '../runtime/node-processes/supervisor.ts';
import { exitCodes } from './failure.ts';
import { drainDelayOf, faultLines, readyLine } from './serve-words.ts';

const linesOf = ({ code, faults, signal }: ProcessEnd): readonly string[] =>
  faults.length > 0 ? faults : [`espalier: a process ended at its start with ${signal ?? code}`];

function exitWith(lines: readonly string[]): never {
  for (const line of lines) process.stderr.write(`${line}\n`);
  process.exit(exitCodes.error);
}

/** A terminal that is closed ends what runs in it, as ever. */
const isAtTerminal = (): boolean =>
  process.stdin.isTTY === true || process.stdout.isTTY === true || process.stderr.isTTY === true;

export async function superviseProcesses(
  config: Config,
  processes: number,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<void> {
  const log = createNodeLog(config);
  let supervisor: Supervisor | undefined;
  let isStopping = false;
  const end = (code: number, delaySeconds: number): void => {
    const ended = supervisor?.stop(delaySeconds * 1_000);
    if (!isStopping)
      void Promise.resolve(ended).then((inOrder) => process.exit(inOrder === false ? exitCodes.error : code));
    isStopping = true;
  };
  const onSignal = (signal: string): void => {
    const delaySeconds = isStopping ? 0 : drainDelayOf(config, signal);
    log.info('stopping', { signal, delaySeconds });
    end(0, delaySeconds);
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => onSignal(signal));
  process.on('SIGHUP', () => {
    if (isAtTerminal()) return onSignal('SIGHUP');
    log.info('processes.replacing');
    void supervisor?.replace();
  });
  try {
    supervisor = await startSupervisor({
      ...{ config, log, processes, environment },
      leaveMs: drainDelayOf(config, 'SIGTERM') * 1_000,
      onLost: (lost) => {
        if (isStopping) return;
        for (const line of linesOf(lost)) process.stderr.write(`${line}\n`);
        end(exitCodes.error, 0);
      },
    });
  } catch (error) {
    exitWith(faultLines(error));
  }
  const started = await supervisor.start();
  if (isStopping) return;
  if (!started.ok) {
    await supervisor.stop(0);
    exitWith(linesOf(started.end));
  }
  const { degradedSeconds, urls } = started.facts;
  process.stdout.write(readyLine({ ...urls, ops: supervisor.ops }, degradedSeconds));
}
