import { describe, expect, test } from 'vitest';
import type { AskedConsent } from '../store/consents.ts';
import { consentRemedy, consentStanding } from './consent-states.ts';

const now = new Date('2026-03-04T12:00:00Z');
const at = (minutes: number): Date => new Date(now.getTime() + minutes * 60_000);
const asked = (more: Partial<AskedConsent>): AskedConsent => ({
  application: 'connector',
  expiresAt: at(60),
  usedAt: null,
  result: null,
  detail: null,
  ...more,
});
const standing = (...rows: AskedConsent[]) =>
  consentStanding({ app: 'connector', clientId: 'id' }, rows, now);

describe('where a consent stands', () => {
  test('by its links: none, open, expired', () => {
    expect(standing().state).toBe('not-asked');
    expect(standing(asked({ application: 'user-registration' })).state).toBe('not-asked');
    expect(standing(asked({}))).toMatchObject({ state: 'open', linkExpiresAt: at(60) });
    expect(standing(asked({ expiresAt: at(0) }))).toMatchObject({ state: 'expired', linkExpiresAt: null });
  });

  test('a refusal stays shown while another link is still open', () => {
    const refused = asked({ usedAt: at(-1), result: 'declined', detail: 'AADSTS65004' });
    expect(standing(refused, asked({}))).toMatchObject({
      state: 'declined',
      cause: 'declined',
      detail: 'AADSTS65004',
      at: at(-1),
      linkExpiresAt: at(60),
    });
    expect(standing(asked({ usedAt: at(-1), result: 'other-tenant' }))).toMatchObject({ state: 'failed' });
  });

  test('one that was given stays so', () => {
    const given = asked({ usedAt: at(-5), result: 'granted' });
    expect(standing(asked({ usedAt: at(-1), result: 'declined' }), given)).toMatchObject({
      state: 'given',
      cause: null,
      at: at(-5),
    });
  });

  test('what is not given has a remedy', () => {
    for (const result of ['declined', 'other-tenant', 'unproven', 'incomplete'] as const)
      expect(consentRemedy(standing(asked({ usedAt: at(-1), result })))).toMatch(/\.$/);
    expect(consentRemedy(standing(asked({ expiresAt: at(-1) })))).toMatch(/new ones/);
    expect(consentRemedy(standing(asked({})))).toBeNull();
  });
});
