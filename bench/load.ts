import { Pool } from 'undici';
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

interface Outgoing {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly body: string | null;
  readonly status: number;
}

function next({ work }: LoadPlan): Outgoing {
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

async function exchange(pool: Pool, plan: LoadPlan): Promise<void> {
  const { body, method, path, status } = next(plan);
  const answer = await pool.request({ method, path, body, headers: plan.headers });
  const text = await answer.body.text();
  const whole = plan.work.kind !== 'reads' || text.length === plan.work.answerBytes;
  if (answer.statusCode !== status || !whole || text.includes('"rejected":[{')) {
    throw new Error(`${method} ${path} answered ${answer.statusCode}: ${text.slice(0, 300)}`);
  }
}

answerQuestions(async (plan: LoadPlan): Promise<{ measured: Pace; before: number }> => {
  const pool = new Pool(plan.origin, {
    connections: plan.connections,
    pipelining: 1,
    connect: { ca: plan.ca },
  });
  try {
    // Every connection's handshake is over before the clock starts.
    await Promise.all(Array.from({ length: plan.connections }, () => exchange(pool, plan)));
    const measured = await pace(plan.connections, plan.durationMs, () => exchange(pool, plan));
    return { measured, before: plan.connections };
  } finally {
    await pool.destroy();
  }
});
