import { bootstrapKey, type Scene } from '../harness/gateway.ts';
import { call } from '../harness/http.ts';

/** The provider's people and programs, as the history names them. */

export interface Operator {
  readonly id: string;
  readonly key: string;
  /** On the admin API, as this operator; the reason stands in the history. Throws where it is refused. */
  // biome-ignore lint/suspicious/noExplicitAny: answers of every shape come here
  do(method: string, path: string, body?: unknown, reason?: string): Promise<any>;
}

type Caller = Pick<Scene, 'gateway' | 'trust'>;

const asked =
  ({ gateway, trust }: Caller, key: string): Operator['do'] =>
  async (method, path, body, reason) => {
    const answer = await call(`${gateway.admin}/api/v1${path}`, {
      method,
      ca: trust,
      headers: {
        authorization: `Bearer ${key}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(reason === undefined ? {} : { 'x-espalier-reason': Buffer.from(reason).toString('latin1') }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    if (answer.status >= 400) throw new Error(`${method} ${path}: ${answer.status} ${answer.text}`);
    return answer.json;
  };

export interface Operators {
  /** Takes and shows the pictures. */
  readonly mara: Operator;
  /** Asks for what mara has to approve. */
  readonly tomas: Operator;
}

const dayMs = 86_400_000;
const inDays = (days: number): string => new Date(Date.now() + days * dayMs).toISOString();

export async function hireOperators(scene: Caller): Promise<Operators> {
  const first = asked(scene, bootstrapKey);
  const made = async (by: Operator['do'], body: object): Promise<Operator> => {
    const { id, key } = await by('POST', '/keys', body);
    return { id, key, do: asked(scene, key) };
  };
  const mara = await made(first, { name: 'Mara Lindqvist', role: 'admin' });
  const tomas = await made(mara.do, { name: 'Tomás Rey', role: 'admin' });
  await made(mara.do, { name: 'Night shift', role: 'operator', expiresAt: inDays(180) });
  await made(mara.do, { name: 'Grafana', role: 'viewer', expiresAt: inDays(21) });
  return { mara, tomas };
}
