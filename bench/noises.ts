import type { Asked } from './caller-requests.ts';

/** The callers that disturb a quiet tenant, and how many connections each opens. */

export interface Noise {
  readonly name: string;
  readonly of: readonly Asked[];
  /** It waits as long as refusals ask for; else it is an attack. */
  readonly isPatient?: boolean;
}

const severalOperators = 6;

const calls: readonly Asked[] = [{ kind: 'calls', connections: 64 }];
const webhooks: readonly Asked[] = [{ kind: 'webhooks', connections: 64 }];
const operators = (count: number): readonly Asked[] => [
  { kind: 'lists', connections: 16, operators: count },
  { kind: 'exports', connections: 8, operators: count },
];

export const noises: readonly Noise[] = [
  { name: 'device calls of one tenant', of: calls },
  { name: 'device calls, patient', of: calls, isPatient: true },
  { name: 'webhooks of one instance', of: webhooks },
  { name: 'webhooks, patient', of: webhooks, isPatient: true },
  { name: 'webhooks of 500 computers', of: [{ kind: 'webhooks of 500 computers', connections: 8 }] },
  { name: 'packed pushes of 1,000 records', of: [{ kind: 'large pushes', connections: 8 }] },
  { name: 'packed pushes of 1 MiB kept', of: [{ kind: 'pushes of 1 MiB kept', connections: 64 }] },
  {
    name: 'calls to an instance that hangs',
    of: [{ kind: 'calls to an instance that hangs', connections: 800 }],
  },
  { name: "one operator's lists and exports", of: operators(1) },
  { name: "six operators' lists and exports", of: operators(severalOperators) },
  { name: 'lists and exports of six, patient', of: operators(severalOperators), isPatient: true },
  { name: 'strangers without a token', of: [{ kind: 'no token', connections: 64 }] },
  { name: 'strangers with bad tokens', of: [{ kind: 'bad tokens', connections: 64 }] },
];
