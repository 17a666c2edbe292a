/** The address rule where Node makes a connection. */

import { lookup as dnsLookup, type LookupAllOptions } from 'node:dns';
import type { LookupFunction } from 'node:net';
import type { AddressPolicy } from './addresses.ts';

export class AddressRefused extends Error {
  override readonly name = 'AddressRefused';
}

/** Resolves as Node does and then refuses what the policy refuses, so that no name can rebind past the check. */
export function checkedLookup(policy: AddressPolicy): LookupFunction {
  return (hostname, options, callback) => {
    const every: LookupAllOptions = { ...options, all: true };
    dnsLookup(hostname, every, (error, addresses) => {
      if (error) return callback(error, '', 0);
      const permitted = addresses.filter(({ address }) => policy.permits(hostname, address));
      const [first] = permitted;
      if (!first) {
        return callback(new AddressRefused(`${hostname} resolves to no address that is allowed`), '', 0);
      }
      return options.all ? callback(null, permitted) : callback(null, first.address, first.family);
    });
  };
}
