import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { diff } from './diff.ts';
import type {
  Declared,
  DeclaredClient,
  DeclaredInstance,
  DeclaredTenant,
  Present,
  PresentInstance,
  PresentTenant,
} from './model.ts';
import { type ClientToSend, changesAnything, type InstanceKey, type Operation, type Plan } from './plan.ts';
import { readSecrets } from './read-secrets.ts';
import { planLines, planObject } from './show-plan.ts';

const place = { file: 'espalier.yaml', line: 1, column: 1 };
const options = { prune: false, updateSecrets: false, nowMs: 0 };
const guid = (n: number): string => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`;

const sent = (clientId: string, reference = 'env:SECRET'): DeclaredClient => ({
  clientId,
  secret: { kind: 'sent', reference, dir: '.' },
});

const instanceOf = (id: number, name: string, more: Partial<PresentInstance> = {}): PresentInstance => ({
  id: guid(100 + id),
  name,
  url: `https://${name}.example`,
  apiClient: { clientId: `client-${name}`, secretRef: null },
  compliance: { source: 'jamf' },
  caCertificate: null,
  clientCertificateSha256: null,
  enabled: true,
  paused: false,
  versionLock: 1,
  ...more,
});

const tenantOf = (id: number, more: Partial<PresentTenant> = {}): PresentTenant => ({
  tenantId: guid(id),
  cloud: 'public',
  displayName: `Tenant ${id}`,
  mode: 'device-compliance',
  connectionType: 'cloud-connector',
  landing: { choice: 'default' },
  partnerGroup: null,
  application: null,
  tags: [],
  paused: false,
  versionLock: 1,
  instances: [],
  ...more,
});

const declareInstance = (instance: PresentInstance, withId = true): DeclaredInstance => {
  const { apiClient, id, versionLock, ...rest } = instance;
  return { ...rest, ...(withId ? { id } : {}), apiClient: sent(apiClient.clientId), place };
};

/** Everything that is there, as an export says it, but with secrets to send. */
const declareTenant = (tenant: PresentTenant, withIds = true): DeclaredTenant => {
  const { application, instances, landing, versionLock, ...rest } = tenant;
  const { defaultInstanceId, ...landed } = landing;
  const defaultInstance = instances.find(({ id }) => id === defaultInstanceId)?.name;
  return {
    ...rest,
    ...(application === null ? {} : { application: sent(application.clientId) }),
    landing: { ...landed, defaultInstance },
    instances: instances.map((instance) => declareInstance(instance, withIds)),
    place,
  };
};

const declare = (tenants: readonly PresentTenant[]): Declared => ({
  tenants: tenants.map((tenant) => declareTenant(tenant)),
  keys: [],
});
const present = (...tenants: PresentTenant[]): Present => ({ tenants, keys: [] });
const kinds = (plan: Plan): string[] =>
  plan.tenants.flatMap(({ operations }) =>
    operations.map((one) => ('name' in one ? `${one.kind} ${one.name}` : one.kind)),
  );
const problems = (plan: Plan): string[] => plan.refusals.map(({ problem }) => problem);

// A model of the admin API's effects and refusals; it throws where the order of operations is wrong.

interface Model {
  readonly tenants: Map<string, PresentTenant>;
  /** Tenants that must have an enabled instance at every moment. */
  readonly neverWithout: ReadonlySet<string>;
  ids: number;
}

const fail = (why: string): never => {
  throw new Error(why);
};

const clientOf = ({ clientId, secret }: ClientToSend) => ({
  clientId,
  secretRef: secret.kind === 'gateway' ? secret.reference : null,
});

function carryOutInstance(model: Model, tenant: PresentTenant, operation: Operation): PresentTenant {
  const { instances } = tenant;
  const find = (key: InstanceKey): PresentInstance =>
    instances.find((one) => ('id' in key ? one.id === key.id : one.name === key.made)) ??
    fail('no such instance');
  const put = (changed: PresentInstance): PresentTenant => ({
    ...tenant,
    instances: instances.map((one) => (one.id === changed.id ? changed : one)),
  });
  const checkOnly = (id: string | undefined): void => {
    if (tenant.connectionType === 'manual' && instances.some((one) => one.enabled && one.id !== id))
      fail('second manual');
  };
  const checkName = (id: string | undefined, name: string | undefined): void => {
    if (instances.some((one) => one.name === name && one.id !== id)) fail(`name ${name} is taken`);
  };
  switch (operation.kind) {
    case 'create-instance': {
      const { apiClient, name, url, ...rest } = operation.instance;
      checkOnly(undefined);
      checkName(undefined, name);
      model.ids += 1;
      const made = instanceOf(model.ids, name);
      const fields = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined));
      return {
        ...tenant,
        instances: [...instances, { ...made, url, ...fields, apiClient: clientOf(apiClient) }],
      };
    }
    case 'change-instance': {
      const before = find(operation.key);
      const { apiClient, ...fields } = operation.fields;
      checkName(before.id, fields.name);
      const url = fields.url ?? before.url;
      if (new URL(url).origin !== new URL(before.url).origin && !apiClient)
        fail('the secret is needed again');
      return put({
        ...before,
        ...(fields as Partial<PresentInstance>),
        ...(apiClient ? { apiClient: clientOf(apiClient) } : {}),
      });
    }
    case 'enable-instance': {
      const before = find(operation.key);
      checkOnly(before.id);
      return before.enabled ? fail('is enabled') : put({ ...before, enabled: true });
    }
    case 'disable-instance': {
      const before = find(operation.key);
      return before.enabled ? put({ ...before, enabled: false }) : fail('is disabled');
    }
    case 'pause-instance': {
      const before = find(operation.key);
      return before.paused ? fail('is paused') : put({ ...before, paused: true });
    }
    case 'resume-instance': {
      const before = find(operation.key);
      return before.paused ? put({ ...before, paused: false }) : fail('is not paused');
    }
    case 'delete-instance': {
      const { id } = find(operation.key);
      if (tenant.landing.defaultInstanceId === id)
        fail('the default instance goes before the landing is changed');
      return { ...tenant, instances: instances.filter((one) => one.id !== id) };
    }
    case 'set-landing': {
      const { defaultInstance, landing } = operation;
      const target = defaultInstance && find(defaultInstance);
      return { ...tenant, landing: { ...landing, ...(target ? { defaultInstanceId: target.id } : {}) } };
    }
    default:
      return fail(operation.kind);
  }
}

function carryOutOne(model: Model, tenantId: string, operation: Operation): PresentTenant | undefined {
  const before = model.tenants.get(tenantId);
  if (operation.kind === 'create-tenant') {
    if (before) fail('the tenant is here already');
    const { application, partnerGroup = null, ...rest } = operation.tenant;
    const fields = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined));
    const made = {
      ...tenantOf(0),
      ...fields,
      tenantId,
      partnerGroup,
      application: application ? clientOf(application) : null,
    };
    if ((made.connectionType === 'manual') !== (application !== undefined)) fail('application');
    return made;
  }
  const tenant = before ?? fail('there is no such tenant');
  switch (operation.kind) {
    case 'change-tenant': {
      const { application, ...fields } = operation.fields;
      return {
        ...tenant,
        ...(fields as Partial<PresentTenant>),
        ...(application ? { application: clientOf(application) } : {}),
      };
    }
    case 'pause-tenant':
      return tenant.paused ? fail('is paused') : { ...tenant, paused: true };
    case 'resume-tenant':
      return tenant.paused ? { ...tenant, paused: false } : fail('is not paused');
    case 'delete-tenant':
      return undefined;
    default:
      return carryOutInstance(model, tenant, operation);
  }
}

function carryOut(
  from: readonly PresentTenant[],
  plan: Plan,
  neverWithout: ReadonlySet<string>,
): PresentTenant[] {
  const model: Model = { tenants: new Map(from.map((one) => [one.tenantId, one])), neverWithout, ids: 500 };
  for (const { operations, tenantId } of plan.tenants) {
    for (const operation of operations) {
      const after = carryOutOne(model, tenantId, operation);
      if (after === undefined) model.tenants.delete(tenantId);
      else model.tenants.set(tenantId, after);
      if (neverWithout.has(tenantId) && !after?.instances.some(({ enabled }) => enabled))
        fail(`${operation.kind} leaves the tenant without an enabled instance`);
    }
  }
  return [...model.tenants.values()];
}

/** Without what the gateway chooses: ids. */
const said = (tenants: readonly PresentTenant[]) =>
  tenants
    .map((tenant) => {
      const { place: _, ...rest } = declareTenant(tenant, false);
      const instances = (rest.instances ?? []).map(({ place: __, ...instance }) => instance);
      return { ...rest, instances: instances.sort((a, b) => ((a.name ?? '') < (b.name ?? '') ? -1 : 1)) };
    })
    .sort((a, b) => (a.tenantId < b.tenantId ? -1 : 1));

const names = ['berlin', 'paris', 'tokyo', 'oslo'];

const anyInstance = (index: number): fc.Arbitrary<PresentInstance> =>
  fc
    .record({
      name: fc.constantFrom(...names),
      origin: fc.constantFrom('https://a.example', 'https://b.example/jss', 'https://b.example'),
      clientId: fc.constantFrom('one', 'two'),
      compliance: fc.constantFrom(
        { source: 'jamf' as const },
        { source: 'smart-group' as const, complianceGroup: 'Good' },
      ),
      caCertificate: fc.constantFrom(null, 'PEM'),
      enabled: fc.boolean(),
      paused: fc.boolean(),
    })
    .map(({ clientId, name, origin, ...rest }) =>
      instanceOf(index, name, { ...rest, url: origin, apiClient: { clientId, secretRef: null } }),
    );

const anyTenant = (index: number): fc.Arbitrary<PresentTenant> =>
  fc
    .record({
      displayName: fc.constantFrom('A', 'B'),
      partnerGroup: fc.constantFrom(null, { displayName: 'Macs' }),
      paused: fc.boolean(),
      landing: fc.constantFrom(
        { choice: 'default' as const },
        { choice: 'denied' as const },
        { choice: 'custom' as const, customUrl: 'https://help.example/' },
      ),
      instances: fc
        .tuple(...[1, 2, 3, 4].map((n) => fc.option(anyInstance(index * 10 + n), { nil: undefined })))
        .map((all) => all.flatMap((one) => (one === undefined ? [] : [one])))
        .map((all) => all.filter((one, at) => all.findIndex(({ name }) => name === one.name) === at)),
      preferred: fc.nat(4),
    })
    .map(({ instances, landing, preferred, ...rest }) => {
      // Every third tenant is of the manual type, which has one enabled instance.
      const isManual = index % 3 === 0;
      const kept = isManual
        ? instances.map((one, at) => ({
            ...one,
            enabled: one.enabled && instances.findIndex(({ enabled }) => enabled) === at,
          }))
        : instances;
      const target = kept[preferred];
      return tenantOf(index, {
        ...rest,
        instances: kept,
        landing: { ...landing, ...(target ? { defaultInstanceId: target.id } : {}) },
        ...(isManual
          ? { connectionType: 'manual', application: { clientId: guid(9), secretRef: null } }
          : {}),
      });
    });

const anyWorld: fc.Arbitrary<PresentTenant[]> = fc
  .tuple(...[1, 2, 3].map((n) => fc.option(anyTenant(n), { nil: undefined })))
  .map((all) => all.flatMap((one) => (one === undefined ? [] : [one])));

/** Ids that are there are given, so that names may change; the others are new. */
const declareFor = (wanted: readonly PresentTenant[], from: readonly PresentTenant[]): Declared => ({
  tenants: wanted.map((tenant) => {
    const there = from.find(({ tenantId }) => tenantId === tenant.tenantId)?.instances ?? [];
    const declared = declareTenant(tenant);
    const instances = tenant.instances.map((one) =>
      declareInstance(
        one,
        there.some(({ id }) => id === one.id),
      ),
    );
    return { ...declared, instances };
  }),
  keys: [],
});

const hasEnabled = (tenant: PresentTenant | undefined): boolean =>
  tenant?.instances.some(({ enabled }) => enabled) ?? false;

describe('the comparison, for any two states', () => {
  it('carried out on the first gives the second, with no step that the API refuses', () => {
    let done = 0;
    fc.assert(
      fc.property(anyWorld, anyWorld, (from, to) => {
        const plan = diff(declareFor(to, from), present(...from), { ...options, prune: true });
        if (plan.refusals.length > 0) return;
        done += 1;
        const find = (all: readonly PresentTenant[], id: string) =>
          all.find(({ tenantId }) => tenantId === id);
        const neverWithout = from
          .filter(
            (tenant) =>
              tenant.connectionType !== 'manual' &&
              hasEnabled(tenant) &&
              hasEnabled(find(to, tenant.tenantId)),
          )
          .map(({ tenantId }) => tenantId);
        expect(said(carryOut(from, plan, new Set(neverWithout)))).toEqual(said(to));
        expect(changesAnything(diff(declareFor(to, to), present(...to), options))).toBe(false);
      }),
      { numRuns: 2_000 },
    );
    expect(done).toBeGreaterThan(500);
  });

  it('finds nothing to do between a state and itself, also with prune', () => {
    fc.assert(
      fc.property(anyWorld, (world) => {
        for (const prune of [false, true]) {
          const plan = diff(declare(world), present(...world), { ...options, prune });
          expect(plan.refusals).toEqual([]);
          expect(changesAnything(plan)).toBe(false);
          expect(
            plan.tenants.every(
              ({ action, fields, instances }) =>
                action === 'none' && fields.length === 0 && instances.every((one) => one.action === 'none'),
            ),
          ).toBe(true);
        }
      }),
    );
  });

  it('leaves everything that the file does not say as it is', () => {
    const fieldsOf = ['displayName', 'partnerGroup', 'paused', 'landing'] as const;
    fc.assert(
      fc.property(anyWorld, anyWorld, fc.subarray([...fieldsOf]), (from, to, absent) => {
        const declared = declareFor(to, from);
        const partly = {
          ...declared,
          tenants: declared.tenants.map((tenant) => ({
            ...tenant,
            ...Object.fromEntries(absent.map((field) => [field, undefined])),
          })),
        };
        const plan = diff(partly, present(...from), options);
        if (plan.refusals.length > 0) return;
        const after = carryOut(from, plan, new Set());
        for (const tenant of from) {
          const same = after.find(({ tenantId }) => tenantId === tenant.tenantId);
          for (const field of absent) expect(same?.[field]).toEqual(tenant[field]);
        }
      }),
    );
  });

  it('deletes nothing without prune', () => {
    fc.assert(
      fc.property(anyWorld, anyWorld, (from, to) => {
        const plan = diff(declareFor(to, from), present(...from), options);
        expect(kinds(plan).filter((kind) => kind.startsWith('delete'))).toEqual([]);
        expect(plan.tenants.filter(({ action }) => action === 'delete')).toEqual([]);
      }),
    );
  });

  it('shows a change of a field for everything that it does, and does something for every change it shows', () => {
    fc.assert(
      fc.property(anyWorld, anyWorld, (from, to) => {
        const plan = diff(declareFor(to, from), present(...from), { ...options, prune: true });
        for (const tenant of plan.tenants) {
          const shown = tenant.action !== 'none' || tenant.instances.some(({ action }) => action !== 'none');
          expect(shown).toBe(tenant.operations.length > 0);
        }
      }),
    );
  });
});

describe('the order of operations', () => {
  it('makes a tenant, then its instances, then lets browsers land on one of them', () => {
    const wanted = tenantOf(1, {
      instances: [instanceOf(1, 'berlin'), instanceOf(2, 'paris', { enabled: false, paused: true })],
      landing: { choice: 'default', defaultInstanceId: guid(101) },
      paused: true,
    });
    const plan = diff({ tenants: [declareTenant(wanted, false)], keys: [] }, present(), options);
    expect(plan.refusals).toEqual([]);
    expect(kinds(plan)).toEqual([
      'create-tenant',
      'pause-tenant',
      'create-instance berlin',
      'create-instance paris',
      'disable-instance paris',
      'pause-instance paris',
      'set-landing',
    ]);
  });

  it('changes the landing before the default instance goes, also when the file says nothing of it', () => {
    const from = tenantOf(1, {
      instances: [instanceOf(1, 'berlin'), instanceOf(2, 'paris')],
      landing: { choice: 'default', defaultInstanceId: guid(101) },
    });
    const { landing, ...declared } = declareTenant({ ...from, instances: [instanceOf(2, 'paris')] });
    const plan = diff({ tenants: [declared], keys: [] }, present(from), { ...options, prune: true });
    expect(kinds(plan)).toEqual(['set-landing', 'delete-instance berlin']);
    expect(plan.tenants[0]?.fields).toEqual([
      { field: 'landing.defaultInstance', before: 'berlin', after: null },
    ]);
  });

  it('lets a manual tenant exchange its only instance, and says what that does', () => {
    const manual = { connectionType: 'manual', application: { clientId: guid(9), secretRef: null } } as const;
    const from = tenantOf(1, { ...manual, instances: [instanceOf(1, 'berlin')] });
    const to = declareTenant({ ...from, instances: [instanceOf(2, 'paris')] }, false);
    const plan = diff({ tenants: [to], keys: [] }, present(from), { ...options, prune: true });
    expect(kinds(plan)).toEqual([
      'disable-instance berlin',
      'create-instance paris',
      'delete-instance berlin',
    ]);
    expect(plan.tenants[0]?.warnings[0]).toContain('its last enabled instance goes');
    const kept = diff({ tenants: [to], keys: [] }, present(from), options);
    expect(problems(kept)).toEqual(['a manual connection has one enabled instance']);
  });

  it('disables the old instance of a Cloud Connector tenant after the new one is there', () => {
    const from = tenantOf(1, { instances: [instanceOf(1, 'berlin')] });
    const old = { ...declareInstance(instanceOf(1, 'berlin')), enabled: false };
    const instances = [old, declareInstance(instanceOf(2, 'paris'), false)];
    const plan = diff({ tenants: [{ ...declareTenant(from), instances }], keys: [] }, present(from), options);
    expect(kinds(plan)).toEqual(['create-instance paris', 'disable-instance berlin']);
    expect(plan.tenants[0]?.warnings).toEqual([]);
  });

  it('renames in an order in which every name has one bearer, and refuses a circle', () => {
    const from = tenantOf(1, { instances: [instanceOf(1, 'a'), instanceOf(2, 'b'), instanceOf(3, 'c')] });
    const rename = (...to: string[]) =>
      diff(
        {
          tenants: [
            {
              tenantId: from.tenantId,
              place,
              instances: to.map((name, at) => ({ id: guid(101 + at), name, place })),
            },
          ],
          keys: [],
        },
        present(from),
        options,
      );
    expect(kinds(rename('b', 'c', 'd'))).toEqual([
      'change-instance d',
      'change-instance c',
      'change-instance b',
    ]);
    expect(problems(rename('b', 'a', 'c'))).toEqual(['its instances exchange their names among each other']);
    expect(problems(rename('b'))).toEqual([`the name b is that of the instance ${guid(102)}`]);
  });
});

describe('names that look the same', () => {
  const nfd = 'Zürich'.normalize('NFD');
  const declared = (name: string, more: Partial<DeclaredTenant> = {}): Declared => ({
    tenants: [{ tenantId: guid(1), place, instances: [{ name, place }], ...more }],
    keys: [],
  });
  const from = (...names: string[]): Present =>
    present(tenantOf(1, { instances: names.map((name, at) => instanceOf(at, name, { url: 'https://x' })) }));

  it.each([
    ['Zürich', nfd],
    [nfd, 'Zürich'],
    ['berlin', 'Berlin'],
    ['Haus Nord', 'Haus\u00a0Nord'],
    ['berlin', 'berlin '],
    ['berlin', 'ber\u00adlin'],
  ])('are the same instance: %j in the file, %j there', (name, there) => {
    const plan = diff(declared(name), from(there), { ...options, prune: true });
    expect([plan.refusals, kinds(plan), changesAnything(plan)]).toEqual([[], [], false]);
    const landing = { choice: 'default', defaultInstance: name } as const;
    const landed = diff(declared(name, { landing }), from(there), options);
    expect([landed.refusals, landed.tenants[0]?.operations]).toEqual([
      [],
      [{ kind: 'set-landing', landing: { choice: 'default' }, defaultInstance: { id: guid(100) } }],
    ]);
  });

  it('find the one that is written the same before one that only looks so, and no one where several do', () => {
    const both = diff(declared('berlin'), from('Berlin', 'berlin'), options);
    expect([both.refusals, both.tenants[0]?.instances[0]?.id]).toEqual([[], guid(101)]);
    expect(problems(diff(declared('BERLIN'), from('Berlin', 'berlin'), options))).toEqual([
      'the tenant has several instances whose names look like BERLIN',
    ]);
  });

  it('cannot be given to two: with its id an instance gets another case, not the name of its neighbour', () => {
    const rename = (name: string): Plan =>
      diff(
        {
          tenants: [{ tenantId: guid(1), place, instances: [{ id: guid(100), name, place }] }],
          keys: [],
        },
        from('berlin', 'Zürich'),
        options,
      );
    expect(kinds(rename('Berlin'))).toEqual(['change-instance Berlin']);
    expect(problems(rename(nfd.toUpperCase()))).toEqual([
      `the name ${nfd.toUpperCase().normalize('NFC')} is that of the instance ${guid(101)}`,
    ]);
  });

  it('are no change of a display name, a group or a key either', () => {
    const there = tenantOf(1, { displayName: nfd, partnerGroup: { displayName: `${nfd} ` } });
    const tenants = [
      { tenantId: guid(1), place, displayName: 'Zürich', partnerGroup: { displayName: 'Zürich' } },
    ];
    const key = { id: guid(7), name: nfd, role: 'viewer' as const, tenants: null, expiresAt: null };
    const keys = [{ name: 'zürich', role: 'viewer' as const, place }];
    const plan = diff({ tenants, keys }, { tenants: [there], keys: [key] }, options);
    expect([plan.refusals, changesAnything(plan)]).toEqual([[], false]);
  });
});

describe('a plan that is shown', () => {
  it.each([
    ['an instance that lacks what it needs', { instances: [{ name: 'paris', place }] }],
    [
      'another client without its secret',
      { instances: [{ name: 'berlin', apiClient: { clientId: 'other' }, place }] },
    ],
    ['another mode', { mode: 'conditional-access' as const }],
    ['an id that is not there', { instances: [{ id: guid(5), place }] }],
    [
      'a default instance that is not there',
      { landing: { choice: 'default' as const, defaultInstance: 'oslo' } },
    ],
  ])('never says that everything is as declared beside what it shows or refuses: %s', (_what, more) => {
    const from = present(tenantOf(1, { instances: [instanceOf(1, 'berlin')] }));
    const plan = diff({ tenants: [{ tenantId: guid(1), place, ...more }], keys: [] }, from, options);
    expect(plan.refusals.length).toBe(1);
    const lines = planLines(plan).join('\n');
    expect(lines).not.toContain('Nothing to do');
    expect(lines).toContain('nothing is done, for 1 part of it is refused.');
    expect(planObject(plan).changes).toBe(true);
  });

  it('shows changes when there are steps, and steps when it shows changes', () => {
    const states = fc.record({
      enabled: fc.boolean(),
      paused: fc.boolean(),
      name: fc.constantFrom('a', 'b', 'A'),
    });
    fc.assert(
      fc.property(fc.option(states), states, fc.boolean(), (there, wanted, prune) => {
        const from =
          there === null
            ? present()
            : present(tenantOf(1, { instances: [instanceOf(1, there.name, there)] }));
        const to = declareTenant(tenantOf(1, { instances: [instanceOf(1, wanted.name, wanted)] }), false);
        const plan = diff({ tenants: [to], keys: [] }, from, { ...options, prune });
        expect(plan.refusals).toEqual([]);
        const isShown = planLines(plan).length > 1;
        expect([isShown, changesAnything(plan)]).toEqual([kinds(plan).length > 0, kinds(plan).length > 0]);
      }),
    );
  });

  it('says of a key that is not made that everything else is as declared', () => {
    const key = { name: 'ops', role: 'viewer' as const, expiresAt: '2020-01-01T00:00:00Z', place };
    const plan = diff({ tenants: [], keys: [key] }, present(), {
      ...options,
      nowMs: Date.parse('2026-01-01'),
    });
    expect(planLines(plan)).toEqual([
      '  key ops not made: it would have expired at 2020-01-01T00:00:00Z',
      '',
      'Nothing to do: everything else is as declared.',
    ]);
  });
});

describe('with a tag selected', () => {
  const selected = { ...options, prune: true, selectTag: 'team-a' };

  it('a new tenant gets the tag, and one that has it keeps it whatever its file says', () => {
    const [there, said] = [tenantOf(2, { tags: ['eu', 'team-a'] }), tenantOf(3, { tags: ['team-a', 'us'] })];
    const declared: Declared = {
      tenants: [
        { tenantId: guid(1), displayName: 'New', place },
        { tenantId: guid(2), place },
        { tenantId: guid(3), tags: [], place },
      ],
      keys: [],
    };
    const plan = diff(declared, present(there, said), selected);
    expect(plan.refusals).toEqual([]);
    expect(plan.tenants.map(({ fields }) => fields.filter(({ field }) => field === 'tags'))).toEqual([
      [{ field: 'tags', after: ['team-a'] }],
      [],
      [{ field: 'tags', before: ['team-a', 'us'], after: ['team-a'] }],
    ]);
  });

  it('what the files do not name is deleted only where it has the tag', () => {
    const named = tenantOf(1, { tags: ['team-a'] });
    const gone = tenantOf(2, { tags: ['eu', 'team-a'] });
    const other = tenantOf(3, { tags: ['team-b'] });
    const plan = diff(declare([named]), present(named, gone, other, tenantOf(4)), selected);
    expect(plan.tenants.map(({ action, tenantId }) => [action, tenantId])).toEqual([
      ['none', guid(1)],
      ['delete', guid(2)],
    ]);
  });

  it('a tenant without the tag is refused', () => {
    const other = tenantOf(1, { tags: ['team-b'] });
    const { refusals } = diff(declare([other]), present(other), selected);
    expect(refusals).toMatchObject([
      {
        place,
        problem: "it does not have the tag team-a, so it may be another team's",
        remedy: expect.stringContaining(`tenants change ${guid(1)} --tags team-b,team-a`),
      },
    ]);
  });
});

describe('what is refused, with its remedy', () => {
  it('a change of cloud, mode or connection type', () => {
    const from = tenantOf(1);
    const declared = {
      ...declareTenant(from),
      cloud: 'usgov',
      mode: 'conditional-access',
      connectionType: 'manual',
    } as const;
    const { refusals } = diff({ tenants: [declared], keys: [] }, present(from), options);
    expect(refusals.map(({ problem }) => problem.split(' ')[0])).toEqual(['cloud', 'mode', 'connectionType']);
    expect(refusals[1]?.remedy).toContain(
      `espalier tenants migrate ${from.tenantId} --mode conditional-access"`,
    );
  });

  it('a new tenant or instance without what it needs, an id that is not there, a default that is not there', () => {
    const declared: DeclaredTenant = {
      tenantId: guid(1),
      place,
      landing: { choice: 'default', defaultInstance: 'oslo' },
      instances: [
        { name: 'berlin', place },
        { name: 'paris', url: 'https://p.example', apiClient: { clientId: 'x' }, place },
        { id: guid(5), place },
      ],
    };
    expect(problems(diff({ tenants: [declared], keys: [] }, present(), options))).toEqual([
      'a new tenant needs a displayName',
      `the tenant has no instance with the id ${guid(5)}`,
      'a new instance needs url and apiClient',
      'a new instance needs the secret of its API client',
      'landing.defaultInstance: the tenant will have no instance oslo',
    ]);
  });

  it('another origin or another client without its secret, but not another path of the same origin', () => {
    const from = tenantOf(1, { instances: [instanceOf(1, 'berlin', { url: 'https://a.example' })] });
    const change = (more: Partial<DeclaredInstance>) =>
      diff(
        {
          tenants: [{ tenantId: from.tenantId, place, instances: [{ name: 'berlin', place, ...more }] }],
          keys: [],
        },
        present(from),
        options,
      );
    expect(problems(change({ url: 'https://b.example' }))[0]).toContain("the URL's origin changes");
    expect(problems(change({ apiClient: { clientId: 'other' } }))[0]).toContain('another API client');
    const path = change({ url: 'https://a.example/jss' });
    expect([path.refusals, kinds(path)]).toEqual([[], ['change-instance berlin']]);
    const secret = sent('client-berlin');
    const moved = change({ url: 'https://b.example', apiClient: secret });
    expect(moved.refusals).toEqual([]);
    expect(moved.tenants[0]?.operations[0]).toMatchObject({
      fields: { apiClient: secret, url: 'https://b.example' },
    });
  });
});

describe('secrets', () => {
  const from = (secretRef: string | null) =>
    tenantOf(1, { instances: [instanceOf(1, 'berlin', { apiClient: { clientId: 'c', secretRef } })] });
  const change = (secretRef: string | null, apiClient: DeclaredClient, updateSecrets = false) =>
    diff(
      {
        tenants: [{ tenantId: guid(1), place, instances: [{ name: 'berlin', apiClient, place }] }],
        keys: [],
      },
      present(from(secretRef)),
      { ...options, updateSecrets },
    ).tenants[0]?.instances[0]?.fields;
  const byGateway = (reference: string): DeclaredClient => ({
    clientId: 'c',
    secret: { kind: 'gateway', reference },
  });

  it('by reference are compared by the reference', () => {
    expect(change('env:A', byGateway('env:A'))).toEqual([]);
    expect(change('env:A', byGateway('env:B'))).toEqual([
      { field: 'apiClient.secretRef', before: 'env:A', after: 'env:B' },
    ]);
    expect(change(null, byGateway('env:B'))).toEqual([
      { field: 'apiClient.secretRef', before: '(kept by the gateway)', after: 'env:B' },
    ]);
  });

  it('that cannot be read are told together with what else is wrong, with their place', () => {
    const instances = [
      { name: 'paris', apiClient: sent('a', 'env:NOT_SET'), place: { ...place, line: 7 } },
      {
        name: 'oslo',
        url: 'https://o.example',
        apiClient: sent('b', 'file:latin1'),
        place: { ...place, line: 9 },
      },
    ];
    const plan = diff(
      { tenants: [{ tenantId: guid(1), place, instances }], keys: [] },
      present(tenantOf(1)),
      options,
    );
    expect(problems(plan)).toEqual(['a new instance needs url']);
    const { refusals } = readSecrets(plan, {
      environment: {},
      readFile: () => {
        throw new Error('is not UTF-8');
      },
    });
    expect(refusals.map(({ place: at, problem }) => [at?.line, problem])).toEqual([
      [7, 'its secret env:NOT_SET cannot be read: the variable is not set where this command runs'],
      [9, 'its secret file:latin1 cannot be read: is not UTF-8'],
    ]);
  });

  it('that were sent are taken for unchanged unless they are to be sent again', () => {
    expect(change(null, sent('c'))).toEqual([]);
    expect(change(null, sent('c'), true)).toEqual([
      { field: 'apiClient.clientSecret', before: '(kept by the gateway)', after: '(sent from env:SECRET)' },
    ]);
    expect(change('env:A', sent('c'))).toEqual([
      { field: 'apiClient.clientSecret', before: 'env:A', after: '(sent from env:SECRET)' },
    ]);
    expect(change(null, { clientId: 'c' }, true)).toEqual([]);
  });
});

describe('keys', () => {
  const key = { name: 'ops', role: 'operator' as const, place };
  const there = { id: guid(7), name: 'ops', role: 'operator' as const, tenants: null, expiresAt: null };
  const plan = (declared: object, keys: Present['keys'], nowMs = 0) =>
    diff(
      { tenants: [], keys: [{ ...key, ...declared }] },
      { tenants: [], keys },
      { ...options, nowMs, prune: true },
    );

  it('are made once, and never changed or removed', () => {
    expect(plan({}, []).keys[0]?.action).toBe('create');
    expect(plan({}, [there]).keys[0]?.action).toBe('none');
    expect(plan({}, [{ ...there, expiresAt: '2027-01-01T00:00:00.000Z' }]).refusals).toEqual([]);
    expect(plan({ tenants: [guid(1)] }, [there]).refusals[0]?.remedy).toContain(
      `espalier keys revoke ${guid(7)}`,
    );
    expect(plan({ name: 'other' }, [there]).keys.map(({ action }) => action)).toEqual(['create']);
  });

  it('are not made when their time is over', () => {
    const expired = plan({ expiresAt: '2026-01-01T00:00:00Z' }, [], Date.parse('2026-06-01T00:00:00Z'));
    expect(expired.keys[0]).toMatchObject({ action: 'none', note: expect.stringContaining('expired') });
  });
});
