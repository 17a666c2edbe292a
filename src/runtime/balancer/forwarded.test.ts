import { describe, expect, it } from 'vitest';
import { callerBehind } from './forwarded.ts';
import { createTrustedProxies, parseProxyRange } from './trusted-proxies.ts';

const ranges = ['10.0.0.0/8', 'fd00::/8'].map(parseProxyRange).filter((range) => range !== undefined);
const trusted = createTrustedProxies(ranges);
const peer = '10.0.0.1';

describe('X-Forwarded-For', () => {
  const many = (count: number): string => Array.from({ length: count }, (_, at) => `10.1.1.${at}`).join(', ');
  it.each([
    ['203.0.113.7', '203.0.113.7'],
    ['6.6.6.6, 203.0.113.7', '203.0.113.7'],
    ['6.6.6.6,203.0.113.7,10.0.0.2', '203.0.113.7'],
    ['6.6.6.6, 10.0.0.3 , 10.0.0.2', '6.6.6.6'],
    ['203.0.113.7:51234', '203.0.113.7'],
    ['[2001:db8::7]:51234', '2001:db8::7'],
    ['[2001:db8::7]', '2001:db8::7'],
    ['2001:DB8:0::7', '2001:db8::7'],
    ['::ffff:203.0.113.7', '203.0.113.7'],
    ['::ffff:10.0.0.2', '10.0.0.2'],
    ['10.0.0.3, 10.0.0.2', '10.0.0.3'],
    ['fd00::2', 'fd00::2'],
    // What cannot be read ends the way at the last hop that could be.
    ['', peer],
    [',', peer],
    ['203.0.113.7,', peer],
    ['6.6.6.6, unknown', peer],
    ['6.6.6.6, _hidden', peer],
    ['6.6.6.6, unknown, 10.0.0.2', '10.0.0.2'],
    ['6.6.6.6,, 10.0.0.2', '10.0.0.2'],
    ['6.6.6.6, 203.0.113', peer],
    ['6.6.6.6, 203.0.113.07', peer],
    ['6.6.6.6, 0xcb.0.113.7', peer],
    ['6.6.6.6, 203.0.113.7:', peer],
    ['6.6.6.6, 203.0.113.7:123456', peer],
    ['6.6.6.6, [203.0.113.7]', peer],
    ['6.6.6.6, [2001:db8::7', peer],
    ['6.6.6.6, fe80::1%eth0', peer],
    ['6.6.6.6, "203.0.113.7"', peer],
    ['6.6.6.6, 203.0.113.7 203.0.113.8', peer],
    [`6.6.6.6, ${many(15)}`, '6.6.6.6'],
    [`6.6.6.6, ${many(40)}`, '10.1.1.24'],
    [`${'1'.repeat(16_000)}`, peer],
    [`${','.repeat(16_000)}`, peer],
  ])('%j', (forwardedFor, caller) => {
    expect(callerBehind(peer, { forwarded: undefined, forwardedFor }, trusted)).toBe(caller);
  });
});

describe('Forwarded', () => {
  it.each([
    ['for=203.0.113.7', '203.0.113.7'],
    ['For="203.0.113.7:4711";proto=https;by=10.0.0.1', '203.0.113.7'],
    ['for="[2001:db8::7]:4711"', '2001:db8::7'],
    ['proto=https;for="[2001:db8::7]"', '2001:db8::7'],
    ['for=6.6.6.6, for=203.0.113.7', '203.0.113.7'],
    ['for=6.6.6.6, for=10.0.0.3,for=10.0.0.2', '6.6.6.6'],
    ['for=10.0.0.2', '10.0.0.2'],
    // A host that a stranger chose stands in quotes, whatever is in it.
    ['for=203.0.113.7;host="a,for=6.6.6.6"', '203.0.113.7'],
    ['for=203.0.113.7;host="a, for=6.6.6.6;x=\\"y"', '203.0.113.7'],
    ['for=203.0.113.7;host="a,for=6.6.6.6;x=\\"\\\\"', '203.0.113.7'],
    // Quotes that a stranger left open swallow nothing of ours.
    ['for="6.6.6.6, for=203.0.113.7', '203.0.113.7'],
    ['for=6.6.6.6;x=", for="203.0.113.7"', '203.0.113.7'],
    ['for="6.6.6.6\\, for=10.0.0.2', '10.0.0.2'],
    ['', peer],
    ['for=', peer],
    ['for=unknown', peer],
    ['for=_secret', peer],
    ['for=6.6.6.6, for=unknown, for=10.0.0.2', '10.0.0.2'],
    ['for=6.6.6.6, proto=https', peer],
    ['for=6.6.6.6, for=203.0.113.7;for=203.0.113.8', peer],
    ['for=6.6.6.6, for=203.0.113.7:4711', peer],
    ['for=6.6.6.6, for=[2001:db8::7]', peer],
    ['for=6.6.6.6, for="2001:db8::7"', peer],
    ['for=6.6.6.6, for =203.0.113.7', peer],
    ['for=6.6.6.6, for=203.0.113.7; proto=https', peer],
    ['for=6.6.6.6,', peer],
    [`for=6.6.6.6, for=203.0.113.7;host="${'a,'.repeat(8_000)}"`, peer],
    [`${'for=10.0.0.2,'.repeat(1_000)}for=10.0.0.3`, '10.0.0.2'],
  ])('%j', (forwarded, caller) => {
    expect(callerBehind(peer, { forwarded, forwardedFor: undefined }, trusted)).toBe(caller);
  });
});

describe('both', () => {
  it.each([
    ['for=203.0.113.7', '203.0.113.7', '203.0.113.7'],
    ['for=6.6.6.6', '203.0.113.7', peer],
    ['for=203.0.113.7', '6.6.6.6', peer],
    ['for=unknown', '6.6.6.6', peer],
  ])('%j and %j', (forwarded, forwardedFor, caller) => {
    expect(callerBehind(peer, { forwarded, forwardedFor }, trusted)).toBe(caller);
  });
});
