import { beforeEach, describe, expect, it } from 'vitest';
import { defaultEntityTypes } from '../../src/simulator/microsoft/entity-types.ts';
import { createUploadLedger, type UploadLedger } from '../../src/simulator/microsoft/upload-ledger.ts';
import { createPromptness, type Promptness } from './promptness.ts';

/** A storm that loses a webhook must not be passed because something later repaired it. */
describe('a state that was answered 202 is told in time', () => {
  const deviceId = '33333333-3333-4333-8333-333333333333';
  const state = { tenantId: 'tenant', instance: 'berlin', deviceId, osVersion: '15.2' };
  let nowMs = 0;
  let fair = true;
  let poisoned = false;
  let ledger: UploadLedger;
  let promptness: Promptness;

  beforeEach(() => {
    [nowMs, fair, poisoned] = [0, true, false];
    ledger = createUploadLedger();
    promptness = createPromptness({
      withinSeconds: 10,
      ledgerOf: () => ledger,
      isFair: () => fair,
      isPoisoned: () => poisoned,
      now: () => nowMs,
    });
  });

  const pass = (seconds: number): void => {
    for (let step = 0; step < seconds * 4; step += 1) {
      nowMs += 250;
      promptness.look();
    }
  };
  const tell = (osVersion: string): void => {
    const entity = {
      EntityType: 1,
      DeviceId: deviceId,
      LastUpdateTime: '2026-05-01T00:00:00Z',
      OsVersion: osVersion,
    };
    const times = { arrivedAt: nowMs, takenAt: nowMs, again: false };
    ledger.take({ messageId: `m${osVersion}`, entities: [entity] }, times, defaultEntityTypes);
  };
  const versionsOverdue = (): string[] => promptness.overdue().map(({ osVersion }) => osVersion);

  it('passes what Intune took in, or a newer state of the device', () => {
    promptness.accepted([state, { ...state, osVersion: '15.1' }]);
    pass(9);
    tell('15.3');
    pass(20);
    expect(versionsOverdue()).toEqual([]);
    expect(promptness.slowestSeconds()).toBeCloseTo(9.25);
  });

  it('finds what was never told, and what only an older state was told of', () => {
    promptness.accepted([state]);
    tell('15.1');
    pass(11);
    expect(versionsOverdue()).toEqual(['15.2']);
  });

  it('does not forget what was overdue when it is repaired later', () => {
    promptness.accepted([state]);
    pass(11);
    tell('15.2');
    pass(1);
    expect(versionsOverdue()).toEqual(['15.2']);
  });

  it('counts only the time in which all works that the telling needs', () => {
    promptness.accepted([state]);
    pass(6);
    fair = false;
    pass(100);
    fair = true;
    pass(3.5);
    expect(versionsOverdue()).toEqual([]);
    pass(2);
    expect(versionsOverdue()).toEqual(['15.2']);
  });

  it('begins anew with a device that was poisoned', () => {
    promptness.accepted([state]);
    poisoned = true;
    pass(20);
    poisoned = false;
    pass(9);
    expect(versionsOverdue()).toEqual([]);
    pass(2);
    expect(versionsOverdue()).toEqual(['15.2']);
  });
});
