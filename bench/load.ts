import { type Connection, type Outgoing, openConnection } from './connection.ts';
import { checkIn, records } from './messages.ts';
import { type Pace, pace } from './pace.ts';
import { answerQuestions } from './worker.ts';

/** The load generator, a process of its own: keep-alive TLS connections, one request at a time on each. */

export interface LoadPlan {
  readonly origin: string;
  /** PEM. */
  readonly ca: string;
  readonly connections: number;
  readonly durationMs: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly work:
    | { readonly kind: 'check-ins'; readonly path: string }
    | { readonly kind: 'pushes'; readonly path: string; readonly records: number }
    | { readonly kind: 'reads'; readonly paths: readonly string[]; readonly answerBytes: number };
}

function next({ work }: LoadPlan): Omit<Outgoing, 'head'> & { readonly status: number } {
  switch (work.kind) {
    case 'check-ins':
      return { method: 'POST', path: work.path, body: checkIn().text, status: 202 };
    case 'pushes': {
      const body = records(work.records)
        .map(({ text }) => text)
        .join('\n');
      return { method: 'POST', path: work.path, body, status: 202 };
    }
    case 'reads': {
      const path = work.paths[Math.floor(Math.random() * work.paths.length)] ?? '/';
      return { method: 'GET', path, body: null, status: 200 };
    }
  }
}

async function exchange(connection: Connection, plan: LoadPlan, head: string): Promise<void> {
  const { body, method, path, status } = next(plan);
  const answer = await connection.exchange({ method, path, body, head });
  const whole = plan.work.kind !== 'reads' || answer.text.length === plan.work.answerBytes;
  if (answer.status !== status || !whole || answer.text.includes('"rejected":[{')) {
    throw new Error(`${method} ${path} answered ${answer.status}: ${answer.text.slice(0, 300)}`);
  }
}

answerQuestions(async (plan: LoadPlan): Promise<{ measured: Pace; before: number }> => {
  const head = Object.entries(plan.headers)
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('');
  const opened = Array.from({ length: plan.connections }, () => openConnection(plan.origin, plan.ca));
  const connections = await Promise.all(opened);
  try {
    // Every connection's handshake is over before the clock starts.
    await Promise.all(connections.map((connection) => exchange(connection, plan, head)));
    const idle = [...connections];
    const measured = await pace(plan.connections, plan.durationMs, async () => {
      const connection = idle.pop();
      if (!connection) throw new Error('more exchanges than connections');
      await exchange(connection, plan, head);
      idle.push(connection);
    });
    return { measured, before: plan.connections };
  } finally {
    for (const connection of connections) connection.close();
  }
});
