import { describe, expect, test } from 'vitest';
import {
  comparePermissions,
  defaultExpectedPermissions,
  grantedPermissions,
  type Permission,
  parseExpectedPermissions,
  permissionTexts,
} from './expected-permissions.ts';

const graph = '00000003-0000-0000-c000-000000000000';
const aadGraph = '00000002-0000-0000-c000-000000000000';
const intune = 'c161e42e-d4df-4a3d-9b42-e7a3c31f59d4';
const role = (resourceAppId: string, name: string): Permission => ({
  resourceAppId,
  kind: 'application',
  name,
});
const scope = (name: string, kind: Permission['kind'] = 'delegated'): Permission => ({
  resourceAppId: graph,
  kind,
  name,
});
const full = [
  role(graph, 'Directory.Read.All'),
  role(intune, 'update_device_attributes'),
  role(intune, 'manage_partner_compliance_policy'),
  scope('User.Read'),
];
const connector = defaultExpectedPermissions['device-compliance'].connector;
const legacy = defaultExpectedPermissions['conditional-access'].connector;

describe('the defaults', () => {
  test('are those of the contract', () => {
    const names = (permissions: readonly Permission[]) => permissions.map(({ name }) => name).sort();
    expect(names(connector.expected)).toEqual(names(full));
    expect(names(legacy.expected)).toEqual(['Directory.Read.All', 'User.Read', 'update_device_attributes']);
    for (const mode of ['device-compliance', 'conditional-access'] as const) {
      expect(defaultExpectedPermissions[mode]['user-registration'].expected).toEqual([scope('User.Read')]);
    }
  });
});

describe('comparison', () => {
  test('nothing to say about the right set, in any order and with the tolerated scopes', () => {
    const granted = [...full].reverse().concat(scope('openid'), scope('Profile'), scope('offline_access'));
    expect(comparePermissions(granted, connector)).toEqual({ missing: [], extra: [] });
  });

  test('missing and extra apart', () => {
    const granted = [...full.slice(1), role(intune, 'get_data_warehouse'), scope('Mail.Read')];
    expect(comparePermissions(granted, connector)).toEqual({
      missing: [role(graph, 'Directory.Read.All')],
      extra: [role(intune, 'get_data_warehouse'), scope('Mail.Read')],
    });
  });

  test('the policy permission is extra in mode conditional-access', () => {
    expect(comparePermissions(full, legacy)).toEqual({
      missing: [],
      extra: [role(intune, 'manage_partner_compliance_policy')],
    });
  });

  test('the same name of another API or kind is another permission', () => {
    const granted = [...full.slice(0, 3), role(graph, 'User.Read')];
    expect(comparePermissions(granted, connector)).toEqual({
      missing: [scope('User.Read')],
      extra: [role(graph, 'User.Read')],
    });
  });

  test("one user's consent is no administrator's", () => {
    const granted = [...full.slice(0, 3), scope('User.Read', 'one-user'), scope('openid', 'one-user')];
    expect(comparePermissions(granted, connector)).toEqual({
      missing: [scope('User.Read')],
      extra: [scope('User.Read', 'one-user')],
    });
  });

  test("an application's openid is not tolerated", () => {
    expect(comparePermissions([...full, role(graph, 'openid')], connector).extra).toHaveLength(1);
  });

  test("AAD Graph's Directory.Read.All stands for Graph's, alone or beside it", () => {
    const application = (resourceAppId: string) => ({
      resourceAppId,
      role: 'Directory.Read.All',
      roleId: 'x',
    });
    const granted = (...resources: string[]) =>
      grantedPermissions({ application: resources.map(application), delegated: [] });
    const only = { expected: [role(graph, 'Directory.Read.All')], tolerated: [] };
    for (const set of [granted(aadGraph), granted(graph.toUpperCase()), granted(graph, aadGraph)]) {
      expect(set).toEqual([role(graph, 'Directory.Read.All')]);
      expect(comparePermissions(set, only)).toEqual({ missing: [], extra: [] });
    }
    expect(comparePermissions([role(aadGraph, 'Directory.Read.All')], only)).toEqual({
      missing: [],
      extra: [],
    });
    expect(comparePermissions([role(aadGraph, 'Application.Read.All')], only).extra).toHaveLength(1);
  });
});

test('texts are plain names unless they would be ambiguous', () => {
  const text = permissionTexts([...full, role(graph, 'User.Read'), scope('User.Read', 'one-user')]);
  expect(full.map(text)).toEqual([
    'Directory.Read.All',
    'update_device_attributes',
    'manage_partner_compliance_policy',
    'User.Read (Graph, delegated)',
  ]);
  expect(text(role(graph, 'User.Read'))).toBe('User.Read (Graph, application)');
  expect(text(scope('User.Read', 'one-user'))).toBe("User.Read (Graph, one user's consent)");
  const beside = permissionTexts([scope('User.Read'), scope('User.Read', 'one-user')]);
  expect(beside(scope('User.Read'))).toBe('User.Read');
});

describe('the setting', () => {
  test.each([undefined, '', '  '])('unset is the defaults: %j', (text) => {
    expect(parseExpectedPermissions(text)).toEqual({ ok: true, expected: defaultExpectedPermissions });
  });

  test('replaces the lists that are given and no others', () => {
    const own = 'AAAAAAAA-0000-4000-8000-000000000000';
    const text = JSON.stringify({
      'device-compliance': {
        connector: { application: ['intune:update_device_attributes', `${own}:Lab.Read`] },
        'user-registration': { delegated: [], tolerated: ['Email'] },
      },
    });
    const parsed = parseExpectedPermissions(text);
    expect(parsed).toEqual({
      ok: true,
      expected: {
        ...defaultExpectedPermissions,
        'device-compliance': {
          connector: {
            expected: [
              role(intune, 'update_device_attributes'),
              role(own.toLowerCase(), 'Lab.Read'),
              scope('User.Read'),
            ],
            tolerated: connector.tolerated,
          },
          'user-registration': { expected: [], tolerated: ['email'] },
        },
      },
    });
  });

  test.each([
    ['{', 'must be a JSON object'],
    ['{"connector":{}}', 'connector'],
    ['{"device-compliance":{"connector":{"application":["Directory.Read.All"]}}}', 'application.0'],
    ['{"device-compliance":{"connector":{"application":"x"}}}', 'device-compliance.connector.application'],
    ['{"device-compliance":{"diagnostic":{}}}', 'device-compliance'],
  ])('says what is wrong with %s', (text, part) => {
    const parsed = parseExpectedPermissions(text);
    expect(parsed.ok ? '' : parsed.errors.join('; ')).toContain(part);
  });
});
