import { expect, it } from 'vitest';
import type { JamfClient } from '../../jamf/client.ts';
import type { DueComputer } from '../../store/computers/leases.ts';
import type { Instance } from '../../store/instances/instance.ts';
import { createJobs, createTurns } from '../../untrusted/turns.ts';
import { fetchComputer } from './fetch-computer.ts';

const rowOf = (jamfComputerId: number): DueComputer => ({
  tenantId: 'tenant',
  instanceId: 'instance',
  jamfComputerId,
  wantedRevision: 1,
  doneRevision: 0,
  pushedRecord: JSON.stringify({ id: String(jamfComputerId), localUserAccounts: [], groupMemberships: [] }),
  pushedReportAt: null,
  pushedRevision: 1,
  reportAt: null,
  readAt: null,
  notFoundForMs: null,
  receivedAt: null,
  background: false,
  needsInstance: false,
  attempts: 0,
  leasedAt: new Date(0),
  traceparent: null,
});

it('the pushed records of a lease are read in turns of the loop, not all at once', async () => {
  // Each look at this clock takes as long as a record: a slice of a millisecond holds a few of them.
  let nowMs = 0;
  const inTurn = createJobs(
    createTurns(() => {
      nowMs += 0.2;
      return nowMs;
    }),
  );
  const lots: number[] = [];
  let read = 0;
  let goesOn = true;
  const others = (): void => {
    lots.push(read);
    read = 0;
    if (goesOn) setImmediate(others);
  };
  setImmediate(others);
  const fetching = Array.from({ length: 100 }, async (_, at) => {
    const fetched = await fetchComputer({
      ...{ row: rowOf(at + 1), inTurn },
      instance: { compliance: { source: 'smart-group' } } as Instance,
      client: {} as JamfClient,
      mode: 'device-compliance',
    });
    expect(fetched).toMatchObject({ ok: true, by: 'push', computer: { jamfComputerId: String(at + 1) } });
    read += 1;
  });
  await Promise.all(fetching);
  goesOn = false;
  lots.push(read);
  expect(lots.reduce((sum, lot) => sum + lot, 0)).toBe(100);
  expect(Math.max(...lots)).toBeLessThan(10);
});
