import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { ownEnvironment } from './own-environment.ts';

/** The gateway of `espalier demo` in its own process, which takes one-time links from its parent. */

export const demoGateway = join(import.meta.dirname, '../../src/cli/demo-gateway.ts');

export interface GatewayWithChannel {
  readonly origin: string;
  readonly process: ChildProcess;
  output(): string;
  /** Sends what the demo sends; resolves to whether the process said that it holds the link. */
  offer(hash: string): Promise<boolean>;
  end(): Promise<void>;
}

/** Starts it as the demo starts its gateway: with a channel between the two. */
export async function startWithChannel(
  args: readonly string[],
  environment: Record<string, string>,
): Promise<GatewayWithChannel> {
  const child = spawn(process.execPath, [...args], {
    env: { ...ownEnvironment(), ...environment },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  let output = '';
  const exited = new Promise<void>((resolve) => child.on('close', () => resolve()));
  const admin = await new Promise<string>((resolve, reject) => {
    const look = (chunk: Buffer): void => {
      output += chunk.toString('utf8');
      const line = output.split('\n').find((one) => one.includes('"event":"ready"'));
      if (line !== undefined) resolve(JSON.parse(line).admin);
    };
    child.stdout?.on('data', look);
    child.stderr?.on('data', look);
    void exited.then(() => reject(new Error(`ended:\n${output}`)));
  });
  return {
    origin: `https://localhost:${new URL(admin).port}`,
    process: child,
    output: () => output,
    offer: (hash) =>
      new Promise((resolve) => {
        child.once('message', (said) => resolve(said === 'one-time-link'));
        child.once('disconnect', () => resolve(false));
        child.send({ oneTimeLinkHash: hash });
      }),
    end: async () => {
      child.kill('SIGTERM');
      await exited;
    },
  };
}
