import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Plan } from '../../test/faults/plan.ts';
import { type Scene, startScene } from '../../test/faults/scene.ts';
import { bootstrapKey } from '../../test/harness/gateway.ts';
import { startOwnPostgres } from '../../test/harness/own-postgres.ts';
import { createDotEnv, type DotEnv } from './dot-env.ts';
import { probing } from './processes.ts';

/**
 * Two tenants with two instances each, and one `serve` of two processes as an operator runs it: what is rotated by a restart
 * stands in `.env`, and SIGHUP replaces one process after the other.
 */
export interface SoakScene {
  readonly scene: Scene;
  readonly dotEnv: DotEnv;
  /** Where the processes' probes are. */
  readonly probes: string;
  /** Key of an admin, whichever is valid now. */
  readonly operatorKey: { current: string };
}

const seed = 18;
const instances = 4;

/** Jobs that an operator has every quarter of an hour or every day come a dozen times in a run of any length. */
const jobs = (minutes: number): Record<string, string> => ({
  ESPALIER_POLL_SECONDS: String(5 * minutes),
  ESPALIER_RECONCILE_SECONDS: String(15 * minutes),
  ESPALIER_HEARTBEAT_SECONDS: String(5 * minutes),
});

/** What a storm has quicker than the defaults, which hold here. */
const quickOfStorm = [
  'ESPALIER_UPLOAD_MAX_DEVICES',
  'ESPALIER_UPLOAD_STATUS_SECONDS',
  'ESPALIER_RETRY_BASE_SECONDS',
  'ESPALIER_RETRY_MAX_SECONDS',
  'ESPALIER_HOLD_RECHECK_SECONDS',
  'ESPALIER_MICROSOFT_TIMEOUT_SECONDS',
  'ESPALIER_RATE_PER_INSTANCE',
  'ESPALIER_RATE_PER_TENANT',
];

/** Variables whose values are rotated. */
const rotated =
  /^ESPALIER_(SECRETS_KEY|ENTRA_(CERT|KEY)_FILE|DIAGNOSTIC_CLIENT_SECRET|OPERATOR_CLIENT_SECRET)(_|$)/;

function planOf(macs: number): Plan {
  const each = Math.ceil(macs / instances);
  const instance = (name: string) => ({ name, macs: each });
  return {
    ...{ seed, runtime: 'node', batch: 1, polls: true, crashes: [], weather: [], poison: [] },
    tenants: [
      { displayName: 'Contoso', instances: [instance('berlin'), instance('tokyo')] },
      { displayName: 'Fabrikam', instances: [instance('oslo'), instance('rome')] },
    ],
  };
}

export async function startSoakScene(
  stack: AsyncDisposableStack,
  { macs, minutes }: { readonly macs: number; readonly minutes: number },
): Promise<SoakScene> {
  let dotEnv: DotEnv | undefined;
  let probes = '';
  const environment = (ofStorm: Readonly<Record<string, string>>, dir: string): Record<string, string> => {
    probes = join(dir, 'probes');
    mkdirSync(probes);
    const kept = Object.entries(ofStorm).filter(([name]) => !quickOfStorm.includes(name));
    const [inFile, others] = [
      kept.filter(([name]) => rotated.test(name)),
      kept.filter(([name]) => !rotated.test(name)),
    ];
    dotEnv = createDotEnv(dir, Object.fromEntries(inFile));
    return {
      ...Object.fromEntries(others),
      ...jobs(minutes),
      ESPALIER_PROCESSES: '2',
      // Each upload, so that in the end every report has to be verified.
      ESPALIER_VERIFY_SAMPLE: '1',
      ...probing(probes),
    };
  };
  const scene = await startScene(
    planOf(macs),
    stack,
    async (dir) => {
      const database = await startOwnPostgres(dir);
      stack.defer(() => database.stop('immediate'));
      return database;
    },
    { gateways: 1, environment },
  );
  if (!dotEnv) throw new Error('the gateway has no .env');
  const operatorKey = { current: bootstrapKey };
  const api: Scene['api'] = (method, path, body, key = operatorKey.current) =>
    scene.api(method, path, body, key);
  return { scene: { ...scene, api }, dotEnv, probes, operatorKey };
}
