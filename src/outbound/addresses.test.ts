import { describe, expect, it } from 'vitest';
import { createAddressPolicy, parseAllowEntry } from './addresses.ts';

const policy = (allow = '') =>
  createAddressPolicy(
    allow
      .split(',')
      .filter(Boolean)
      .map((entry) => parseAllowEntry(entry) ?? expect.unreachable(entry)),
  );

describe('outgoing addresses', () => {
  it.each([
    '127.0.0.1',
    '10.1.2.3',
    '172.16.0.1',
    '192.168.1.1',
    '169.254.169.254',
    '100.64.0.1',
    '0.0.0.0',
    '192.0.2.1',
    '198.18.0.1',
    '203.0.113.9',
    '224.0.0.1',
    '255.255.255.255',
    '240.0.0.1',
    '192.88.99.1',
    '::1',
    '::',
    'fe80::1',
    'fd00::1',
    'ff02::1',
    '2001:db8::1',
    '::ffff:127.0.0.1',
    '::ffff:7f00:1',
    '64:ff9b::7f00:1',
    '2002:7f00:1::',
    '[::1]',
    'fe80::1%eth0',
    '100::1',
    '::7f00:1',
    '100:0:0:1::1',
    '4000::1',
  ])('%s is refused', (address) => {
    expect(policy().permits('host.example', address)).toBe(false);
  });

  it.each(['8.8.8.8', '2600:1406::1', '::ffff:8.8.8.8'])('%s is allowed', (address) => {
    expect(policy().permits('host.example', address)).toBe(true);
  });

  it('allows what is named: a range, an address, a host', () => {
    const allowing = policy('10.20.0.0/16,192.168.7.7,jamf.corp.example,fd00::/8');
    expect(allowing.permits('x', '10.20.3.4')).toBe(true);
    expect(allowing.permits('x', '10.21.3.4')).toBe(false);
    expect(allowing.permits('x', '192.168.7.7')).toBe(true);
    expect(allowing.permits('x', '192.168.7.8')).toBe(false);
    expect(allowing.permits('JAMF.corp.example', '10.99.0.1')).toBe(true);
    expect(allowing.permits('notjamf.corp.example', '10.99.0.1')).toBe(false);
    expect(allowing.permits('x', 'fd12::1')).toBe(true);
    expect(allowing.permits('x', '::ffff:10.20.3.4')).toBe(true);
  });

  it('no address is no address', () => {
    expect(policy('10.0.0.0/8').permits('x', 'not-an-address')).toBe(false);
    expect(parseAllowEntry('not a host')).toBeUndefined();
  });
});
