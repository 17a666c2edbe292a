import { expect, test } from 'vitest';
import { builtInClouds } from '../entra/clouds.ts';
import type { TokenBroker, TokenResult } from '../entra/tokens.ts';
import { createLog } from '../telemetry/log.ts';
import { createAccess } from './access.ts';

const refused: TokenResult = {
  ok: false,
  failure: {
    cause: 'credentials-expired',
    scope: 'registration',
    action: 'alarm-operator',
    owner: 'configuration',
    remedy: 'Add a new secret.',
  },
};

const refusedOne: TokenResult = {
  ok: false,
  failure: {
    cause: 'application-not-in-tenant',
    scope: 'tenant',
    action: 'hold-tenant',
    owner: 'configuration',
    remedy: 'Consent again.',
  },
};

/** An access over a broker that answers when it is told to, with a clock that stands still. */
function scene(holdRecheckSeconds: number) {
  const clock = { ms: 1_000_000 };
  const asked: ((result: TokenResult) => void)[] = [];
  const alarms: string[] = [];
  const broker: TokenBroker = {
    token: () => new Promise((resolve) => asked.push(resolve)),
    forget: () => undefined,
  };
  const access = createAccess({
    sharing: 'process',
    send: () => Promise.reject(new Error('nothing is sent here')),
    broker,
    clouds: builtInClouds,
    hasDiagnostic: () => false,
    timeoutMs: 1_000,
    holdRecheckSeconds,
    log: createLog({ level: 'error', format: 'json', write: (line) => alarms.push(line) }),
    now: () => clock.ms,
  });
  return {
    clock,
    alarms,
    /**
     * The given number of tenants ask at once, and the broker refuses each that came through; the result is how many
     * did.
     */
    refuse: async (tenants: number, result: TokenResult = refused): Promise<number> => {
      const answers = Array.from({ length: tenants }, (_, tenant) =>
        access.token({ tenantId: `tenant-${tenant}`, cloud: 'public' }, 'intune'),
      );
      await new Promise(setImmediate);
      const through = asked.splice(0);
      for (const resolve of through) resolve(result);
      for (const answer of await Promise.all(answers))
        expect(answer).toMatchObject({ ok: false, kind: 'hold' });
      return through.length;
    },
  };
}

test('one of 50 tenants looks for all of them when the wait is over', async () => {
  const { clock, refuse } = scene(1);
  expect(await refuse(1)).toBe(1);
  expect(await refuse(50)).toBe(0);
  clock.ms += 1_000;
  expect(await refuse(50)).toBe(1);
});

test('the wait doubles after a look, not with each refusal of those who asked before the fault was known', async () => {
  const { alarms, clock, refuse } = scene(1);
  expect(await refuse(50)).toBe(50);
  clock.ms += 1_000;
  expect(await refuse(1)).toBe(1);
  clock.ms += 1_000;
  expect(await refuse(1)).toBe(0);
  clock.ms += 1_000;
  expect(await refuse(1)).toBe(1);
  expect(alarms).toHaveLength(1);
});

test('a look that only finds the fault of one tenant is no look for the others: the next caller looks', async () => {
  const { alarms, clock, refuse } = scene(1);
  expect(await refuse(1)).toBe(1);
  clock.ms += 1_000;
  expect(await refuse(1, refusedOne)).toBe(1);
  expect(await refuse(50)).toBe(1);
  // The wait has doubled once, with the one look that said something of the registration.
  clock.ms += 1_000;
  expect(await refuse(1)).toBe(0);
  clock.ms += 1_000;
  expect(await refuse(1)).toBe(1);
  expect(alarms).toHaveLength(1);
});
