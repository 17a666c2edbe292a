import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** A module of the bench in a process of its own, asked over Node's message channel. */
export interface Worker<Question, Answer> {
  readonly pid: number;
  /** Rejects when the process fails, ends or does not answer within `timeoutMs`. One question at a time. */
  ask(question: Question, timeoutMs: number): Promise<Answer>;
  stop(): Promise<void>;
}

type Reply<Answer> = { readonly answer: Answer } | { readonly error: string };

/** Starts `module`, a file name beside this one that calls `answerQuestions`. */
export function startWorker<Question extends object, Answer>(module: string): Worker<Question, Answer> {
  const child = fork(fileURLToPath(new URL(module, import.meta.url)), { stdio: 'inherit' });
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  return {
    pid: child.pid ?? 0,
    ask: async (question, timeoutMs) => {
      const reply = await replyOf<Answer>(child, question, timeoutMs);
      if ('error' in reply) throw new Error(`${module}: ${reply.error}`);
      return reply.answer;
    },
    stop: async () => {
      child.kill('SIGKILL');
      await exited;
    },
  };
}

function replyOf<Answer>(child: ChildProcess, question: object, timeoutMs: number): Promise<Reply<Answer>> {
  return new Promise((resolve) => {
    const end = (reply: Reply<Answer>): void => {
      clearTimeout(timer);
      child.off('message', onMessage);
      child.off('exit', onExit);
      resolve(reply);
    };
    const onMessage = (message: unknown): void => end(message as Reply<Answer>);
    const onExit = (code: number | null): void => end({ error: `ended with ${code}` });
    const timer = setTimeout(() => end({ error: `no answer within ${timeoutMs} ms` }), timeoutMs);
    child.once('message', onMessage);
    child.once('exit', onExit);
    child.send(question);
  });
}

/** The worker's side. It ends with the process that started it, however that one ends. */
export function answerQuestions<Question>(answer: (question: Question) => Promise<unknown>): void {
  process.on('disconnect', () => process.exit(0));
  process.on('message', (question) => {
    answer(question as Question).then(
      (found) => process.send?.({ answer: found }),
      (error: unknown) => process.send?.({ error: error instanceof Error ? error.message : String(error) }),
    );
  });
}
