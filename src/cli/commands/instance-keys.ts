/** `espalier instances keys`. */

import type { ArgumentSpec, OptionSpec, Verb } from './declare.ts';
import { act, list, show, tenantOption } from './kinds.ts';

export const keyArgument: ArgumentSpec = { name: 'keyId', text: 'the id of the key, not the key' };

export const expiryOption: OptionSpec = {
  flags: '--expires-at <time>',
  text: 'ISO 8601, for example 2027-06-30T00:00:00Z; default: never',
  body: 'expiresAt',
};

export const shownOnce = (): string => 'the key is shown this once: keep it now';

export const instanceKeyVerbs = (
  instanceArgument: ArgumentSpec,
  someInstance: string,
  ofTenant: string,
): readonly Verb[] => [
  list({
    name: 'list',
    summary: 'the live keys of an instance, without the keys themselves',
    operation: 'GET /tenants/{tenantId}/instances/{instanceId}/keys',
    arguments: [instanceArgument],
    options: [tenantOption],
    examples: [[`instances keys list ${someInstance} ${ofTenant}`, 'when each was last used']],
  }),
  show({
    name: 'show',
    summary: 'one key, without the key itself',
    operation: 'GET /tenants/{tenantId}/instances/{instanceId}/keys/{keyId}',
    arguments: [instanceArgument, keyArgument],
    options: [tenantOption],
    examples: [[`instances keys show ${someInstance} 7c1d… ${ofTenant}`, 'name, expiry, last use']],
  }),
  act({
    name: 'create',
    summary: 'make a key; it is shown this once',
    operation: 'POST /tenants/{tenantId}/instances/{instanceId}/keys',
    arguments: [instanceArgument],
    options: [
      tenantOption,
      { flags: '--name <name>', text: 'what it is for; default: webhooks', body: 'name' },
      expiryOption,
    ],
    done: shownOnce,
    examples: [
      [
        `instances keys create ${someInstance} ${ofTenant}`,
        'it goes into the webhooks of Jamf Pro as password',
      ],
      [`instances keys create ${someInstance} ${ofTenant} -o json | jq -r .key`, 'only the key'],
    ],
  }),
  act({
    name: 'delete',
    summary: 'revoke a key: webhooks with it are refused at once',
    operation: 'DELETE /tenants/{tenantId}/instances/{instanceId}/keys/{keyId}',
    arguments: [instanceArgument, keyArgument],
    options: [tenantOption],
    ask: ({ parameters }) => `Revoke the key ${parameters.keyId}?`,
    done: () => 'revoked',
    examples: [[`instances keys delete ${someInstance} 7c1d… ${ofTenant} --yes`, 'without asking']],
  }),
];
