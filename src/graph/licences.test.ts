import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Loopback, sendJson, startLoopback } from '../../test/harness/loopback.ts';
import { readLicences } from './licences.ts';

let graph: Loopback;
beforeAll(async () => {
  graph = await startLoopback();
});
afterAll(() => graph.close());

const read = () =>
  readLicences({
    send: graph.send,
    cloud: { graph: graph.origin },
    accessToken: 'the-token',
    clientRequestId: '11111111-2222-4333-8444-555555555555',
    timeoutMs: 500,
  });
const plan = (servicePlanName: string, provisioningStatus = 'Success', servicePlanId = 'x') => ({
  servicePlanId,
  servicePlanName,
  provisioningStatus,
});
const sku = (skuPartNumber: string, capabilityStatus: string, ...servicePlans: object[]) => ({
  skuPartNumber,
  capabilityStatus,
  servicePlans,
});

describe('licences', () => {
  const intune = plan('INTUNE_A');
  const p1 = plan('AAD_PREMIUM');
  const p2 = plan('AAD_PREMIUM_P2');

  test.each([
    [[], false, undefined, []],
    [[sku('EMS', 'Enabled', intune, p1)], true, 'P1', []],
    [[sku('EMSPREMIUM', 'Enabled', intune, p1, p2)], true, 'P2', []],
    // The time of grace: it still works, and somebody should know.
    [[sku('EMS', 'Warning', intune, p1)], true, 'P1', ['EMS (Warning)']],
    [[sku('EMS', 'Suspended', intune, p1), sku('P', 'Enabled', p1)], false, 'P1', ['EMS (Suspended)']],
    [[sku('EMS', 'LockedOut', intune)], false, undefined, ['EMS (LockedOut)']],
    // Another cloud's names, and a plan that is known by its id alone.
    [[sku('EMS_GCC', 'Enabled', plan('INTUNE_A_GOV'), plan('AAD_PREMIUM_GOV'))], true, 'P1', []],
    [
      [sku('NEW', 'Enabled', plan('RENAMED', 'Success', 'C1EC4A95-1F05-45B3-A911-AA3FA01094F5'))],
      true,
      undefined,
      [],
    ],
    // Switched off in the subscription, or of no matter.
    [[sku('EMS', 'Enabled', plan('INTUNE_A', 'Disabled'), p1)], false, 'P1', []],
    [[sku('O365', 'Suspended', plan('INTUNE_O365'))], false, undefined, []],
    [[sku('ODD', 'Enabled'), { skuPartNumber: 7 }], false, undefined, []],
  ])('%j', async (value, hasIntune, entraPremium, ending) => {
    graph.handle = (_request, response) => sendJson(response, 200, { value });
    expect(await read()).toEqual({ ok: true, intune: hasIntune, entraPremium, ending });
  });

  test('that may not be read are a failure that says so', async () => {
    graph.handle = (_request, response) =>
      sendJson(response, 403, { error: { code: 'Authorization_RequestDenied', message: 'no' } });
    expect(await read()).toMatchObject({ ok: false, failure: 'forbidden' });
  });
});
