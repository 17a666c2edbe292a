import { describe, expect, it } from 'vitest';
import { reachedAddresses, refusedAddresses } from '../../test/hostile/addresses.ts';
import { createAddressPolicy, parseAllowEntry } from './addresses.ts';

const policy = (allow = '') =>
  createAddressPolicy(
    allow
      .split(',')
      .filter(Boolean)
      .map((entry) => parseAllowEntry(entry) ?? expect.unreachable(entry)),
  );

describe('outgoing addresses', () => {
  it.each(refusedAddresses)('$address is refused: $attack', ({ address }) => {
    expect(policy().permits('host.example', address)).toBe(false);
    expect(policy().permits('host.example', `[${address}]`)).toBe(false);
  });

  it.each(reachedAddresses)('%s is allowed', (address) => {
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
