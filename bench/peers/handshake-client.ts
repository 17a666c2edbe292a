import { connect } from 'node:tls';
import { answerQuestions } from '../worker.ts';

/** New connections one after the other on a few places, each with one call: a process of its own. */

export interface HandshakePlan {
  readonly port: number;
  /** PEM. */
  readonly ca: string;
  /** True: each connection resumes the session of the first. */
  readonly resumes: boolean;
  readonly places: number;
  readonly durationMs: number;
  /** The whole request. */
  readonly request: string;
}

export interface HandshakeTimes {
  /** Milliseconds until the answer began, ascending. */
  readonly times: readonly number[];
  readonly seconds: number;
}

interface Opened {
  readonly ms: number;
  readonly session: Buffer | undefined;
}

/** Throws where the handshake is another than the wanted one, or the call is not answered 200. */
function open({ ca, port, request }: HandshakePlan, session: Buffer | undefined): Promise<Opened> {
  const begunMs = performance.now();
  return new Promise((resolve, reject) => {
    let latest: Buffer | undefined;
    const socket = connect({
      ...{ host: '127.0.0.1', port, servername: 'localhost', ca, minVersion: 'TLSv1.3' as const },
      ...(session === undefined ? {} : { session }),
    });
    socket.once('secureConnect', () => {
      if (socket.isSessionReused() === (session !== undefined)) socket.write(request);
      else socket.destroy(new Error(`a session was ${session === undefined ? '' : 'not '}resumed`));
    });
    socket.on('session', (next: Buffer) => {
      latest = next;
    });
    socket.once('data', (chunk: Buffer) => {
      const ms = performance.now() - begunMs;
      socket.destroy();
      const line = chunk.toString('latin1', 0, 12);
      if (line === 'HTTP/1.1 200') resolve({ ms, session: latest });
      else reject(new Error(`a new connection's call was answered ${line}`));
    });
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('a new connection was closed before its answer')));
  });
}

answerQuestions(async (plan: HandshakePlan): Promise<HandshakeTimes> => {
  const { session } = await open(plan, undefined);
  if (plan.resumes && session === undefined) throw new Error('no session was given');
  const times: number[] = [];
  const begunMs = performance.now();
  const endMs = begunMs + plan.durationMs;
  const place = async (): Promise<void> => {
    while (performance.now() < endMs) times.push((await open(plan, plan.resumes ? session : undefined)).ms);
  };
  await Promise.all(Array.from({ length: plan.places }, place));
  const seconds = (performance.now() - begunMs) / 1_000;
  return { times: times.sort((a, b) => a - b), seconds };
});
