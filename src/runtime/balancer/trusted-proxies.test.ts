import { expect, it } from 'vitest';
import { createTrustedProxies, parseProxyRange, trustsEverybody } from './trusted-proxies.ts';

const rangesOf = (list: string) =>
  list.split(',').map((entry) => {
    const range = parseProxyRange(entry);
    if (range === undefined) throw new Error(`${entry} is no range`);
    return range;
  });

it.each([
  '10/8',
  '10.1',
  '0x7f.0.0.1',
  '010.0.0.1',
  '10.0.0.0/33',
  '::/129',
  'host',
  'fe80::1%lo',
  '',
  '1.2.3.4/',
  '::ffff:10.0.0.0/90',
])('%j is no range', (text) => {
  expect(parseProxyRange(text)).toBeUndefined();
});

it.each([
  ['10.0.0.0/8', '10.1.2.3', true],
  ['10.0.0.0/8', '11.0.0.1', false],
  ['10.0.0.0/8', '::ffff:10.1.2.3', true],
  ['::ffff:10.0.0.0/104', '10.1.2.3', true],
  ['192.0.2.7', '192.0.2.7', true],
  ['192.0.2.7', '192.0.2.8', false],
  ['2001:db8::/32', '2001:DB8:1::1', true],
  ['fe80::/10', 'fe80::1%eth0', true],
  ['2001:db8::/32', '10.0.0.1', false],
  ['10.0.0.0/8', undefined, false],
  ['10.0.0.0/8', 'not-an-address', false],
])('%s: %s is trusted: %s', (list, address, expected) => {
  expect(createTrustedProxies(rangesOf(list)).has(address)).toBe(expected);
});

it.each([
  ['0.0.0.0/0', true],
  ['::/0', true],
  ['0.0.0.0/1,128.0.0.0/1', true],
  ['128.0.0.0/1,0.0.0.0/2,64.0.0.0/2', true],
  ['10.0.0.0/8,0.0.0.0/1,128.0.0.0/1', true],
  ['::ffff:0:0/96', true],
  ['::/1,8000::/1', true],
  ['2000::/3', true],
  ['2000::/4,3000::/4', true],
  ['1.0.0.0/8,2.0.0.0/7,4.0.0.0/6,8.0.0.0/5,16.0.0.0/4,32.0.0.0/3,64.0.0.0/2,128.0.0.0/2,192.0.0.0/3', true],
  ['0.0.0.0/1', false],
  ['0.0.0.0/1,128.0.0.0/2', false],
  ['10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,fc00::/7', false],
  ['2000::/4', false],
])('%s trusts everybody: %s', (list, expected) => {
  expect(trustsEverybody(rangesOf(list))).toBe(expected);
});
