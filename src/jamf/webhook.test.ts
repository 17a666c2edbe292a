import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseWebhook } from './webhook.ts';
import { jamfEventNames } from './webhook-events.ts';

const computer = {
  udid: '55900BDC-347C-58B1-D249-F32244B11D30',
  deviceName: 'Mac 17',
  serialNumber: 'C02TEST00017',
  userDirectoryID: '-1',
  jssID: 17,
};
const seen = {
  jamfComputerId: '17',
  udid: '55900BDC-347C-58B1-D249-F32244B11D30',
  serialNumber: 'C02TEST00017',
};

function json(webhookEvent: string, event: unknown, webhook: object = {}): string {
  return JSON.stringify({ webhook: { id: 2, name: 'hook', webhookEvent, ...webhook }, event }, null, 2);
}

function xml(webhookEvent: string, event: string): string {
  return `<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<JSSEvent><webhook><id>2</id><name>R&amp;D &#233;</name><webhookEvent>${webhookEvent}</webhookEvent>
<eventTimestamp>1793000000123</eventTimestamp></webhook><event>${event}</event></JSSEvent>`;
}

function accepted(body: string, contentType?: string) {
  const result = parseWebhook(body, contentType);
  if (!result.ok) throw new Error(JSON.stringify(result.errors));
  return result.webhook;
}

function fieldsOf(body: string): readonly string[] {
  const result = parseWebhook(body, 'application/json');
  return result.ok ? [] : result.errors.map(({ code, field }) => `${code} ${field}`);
}

describe('computer events', () => {
  test('flat and nested objects name the same computer', () => {
    const flat = accepted(json('ComputerCheckin', computer), 'application/json');
    expect(flat).toMatchObject({
      event: 'ComputerCheckIn',
      known: true,
      effect: 'computer',
      computers: [seen],
    });
    expect(flat.eventAt).toBeUndefined();
    const nested = accepted(
      json(
        'ComputerCheckIn',
        { computer, trigger: 'CLIENT_CHECKIN', username: '' },
        { eventTimestamp: 1793000000123 },
      ),
    );
    expect(nested.computers).toEqual([seen]);
    expect(nested.eventAt).toEqual(new Date(1793000000123));
  });

  test.each([
    'ComputerAdded',
    'ComputerInventoryCompleted',
    'ComputerPolicyFinished',
    'ComputerPatchPolicyCompleted',
    'ComputerPushCapabilityChanged',
  ])('%s names its computer, whatever the case of its name', (name) => {
    expect(accepted(json(name.toUpperCase(), computer))).toMatchObject({ event: name, computers: [seen] });
  });

  test('ids are integers or their text, jssID or jssid', () => {
    expect(accepted(json('ComputerAdded', { jssid: '0012' })).computers).toEqual([{ jamfComputerId: '12' }]);
    for (const jssID of [0, -1, 1.5, 2_147_483_648, '1e3', 'x', true, {}]) {
      expect(fieldsOf(json('ComputerAdded', { jssID }))).toEqual(['INVALID event.jssID']);
    }
    expect(fieldsOf(json('ComputerAdded', {}))).toEqual(['REQUIRED event.jssID']);
    expect(fieldsOf(json('ComputerCheckIn', { computer: { jssID: 'x' } }))).toEqual([
      'INVALID event.computer.jssID',
    ]);
    expect(fieldsOf(json('ComputerCheckIn', { computer: 'x' }))).toEqual(['INVALID event.computer']);
    expect(fieldsOf(json('ComputerAdded', null))).toEqual(['REQUIRED event']);
  });

  test('members that only inform never fail the event', () => {
    const webhook = accepted(
      json('ComputerAdded', computer, { id: 'x', name: null, eventTimestamp: 'soon' }),
    );
    expect(webhook).toMatchObject({ webhookId: undefined, webhookName: undefined, eventAt: undefined });
    expect(accepted(json('ComputerAdded', { jssID: 1, udid: 5, serialNumber: null })).computers).toEqual([
      { jamfComputerId: '1' },
    ]);
  });
});

describe('other events', () => {
  test('group membership names the added and the removed, once each', () => {
    const event = {
      name: 'Odd',
      smartGroup: true,
      jssid: 95,
      computer: true,
      groupAddedDevicesIds: [1, '2', 2],
      groupRemovedDevicesIds: [3],
    };
    const webhook = accepted(json('SmartGroupComputerMembershipChange', event));
    expect(webhook.effect).toBe('computers');
    expect(webhook.computers.map(({ jamfComputerId }) => jamfComputerId)).toEqual(['1', '2', '3']);
    const none = { ...event, groupAddedDevicesIds: [], groupRemovedDevicesIds: [] };
    expect(accepted(json('SmartGroupComputerMembershipChange', none)).effect).toBe('none');
    expect(accepted(json('SmartGroupComputerMembershipChange', { ...event, computer: false })).effect).toBe(
      'none',
    );
    expect(fieldsOf(json('SmartGroupComputerMembershipChange', { computer: true }))).toHaveLength(2);
    const bad = { computer: true, groupAddedDevicesIds: Array.from({ length: 1000 }, () => 'x') };
    expect(fieldsOf(json('SmartGroupComputerMembershipChange', bad))).toHaveLength(20);
  });

  test('an API write to a computer names it, deletion included; a read or a failed write does not', () => {
    const event = {
      operationSuccessful: true,
      objectID: 1233,
      objectTypeName: 'Computer',
      restAPIOperationType: 'DELETE',
    };
    expect(accepted(json('RestAPIOperation', event)).computers).toEqual([{ jamfComputerId: '1233' }]);
    const others = [
      { restAPIOperationType: 'GET' },
      { operationSuccessful: false },
      { objectTypeName: 'policy' },
    ];
    for (const other of others) {
      expect(accepted(json('RestAPIOperation', { ...event, ...other })).effect).toBe('none');
    }
    expect(fieldsOf(json('RestAPIOperation', { ...event, objectID: null }))).toEqual([
      'REQUIRED event.objectID',
    ]);
    expect(fieldsOf(json('RestAPIOperation', {}))).toEqual(['REQUIRED event.objectTypeName']);
  });

  test('all 23 names are known; events about anything else change nothing, whatever they hold', () => {
    expect(jamfEventNames).toHaveLength(23);
    for (const name of jamfEventNames) {
      if (/^Computer|^RestAPI|^SmartGroupComputer/.test(name)) continue;
      expect(accepted(json(name, 'anything'))).toMatchObject({ event: name, known: true, effect: 'none' });
    }
    expect(accepted(json('ComputerTeleported', computer))).toMatchObject({
      event: 'ComputerTeleported',
      known: false,
      effect: 'none',
      computers: [],
    });
    expect(fieldsOf(json('', {}))).toEqual(['REQUIRED webhook.webhookEvent']);
    expect(fieldsOf('{"event":{}}')).toEqual(['REQUIRED webhook']);
  });
});

const idsOf = (body: string): readonly string[] =>
  accepted(body).computers.map(({ jamfComputerId }) => jamfComputerId);
const group = (members: object): string =>
  json('SmartGroupComputerMembershipChange', { name: 'Compliant', smartGroup: true, jssid: 95, ...members });

describe('whatever of an event can be used is used', () => {
  const shown = { 'Computer Name': 'mac-1', 'Serial Number': 'C02TEST00001', Building: { id: 9 } };

  test.each<[string, object, readonly string[]]>([
    ['ids as one text', { groupAddedDevicesIds: '1, 2' }, ['1', '2']],
    ['ids as Java writes a list', { groupAddedDevicesIds: '[1, 2]' }, ['1', '2']],
    ['ids by semicolon', { groupRemovedDevicesIds: '1;2' }, ['1', '2']],
    ['texts of several ids', { groupAddedDevicesIds: ['1 2', '3,4'] }, ['1', '2', '3', '4']],
    ['a single id', { groupAddedDevicesIds: 7 }, ['7']],
    ['a single id as text', { groupAddedDevicesIds: ' 7 ' }, ['7']],
    ['one object', { groupAddedDevicesIds: { id: 7, name: '8' } }, ['7']],
    ['objects', { groupAddedDevicesIds: [{ id: 7 }, { jssID: '8' }] }, ['7', '8']],
    ['only display fields', { groupAddedDevices: [{ id: 1, ...shown }, { id: '2' }] }, ['1', '2']],
    ['one computer with display fields', { groupRemovedDevices: { jssid: 3, ...shown } }, ['3']],
    ['other spellings', { groupAddedDevices: [{ 'JSS Computer ID': '4', ...shown }] }, ['4']],
    ['an id inside', { groupAddedDevices: [{ computer: { general: { id: 5 } } }, { device: 6 }] }, ['5']],
    [
      'the list and its display fields',
      { groupAddedDevicesIds: [1, 2], groupAddedDevices: [shown, shown] },
      ['1', '2'],
    ],
    [
      'display fields that know more',
      { groupAddedDevicesIds: [1], groupAddedDevices: [{ id: 1 }, { id: 2 }] },
      ['1', '2'],
    ],
    ['a flag of another type', { computer: 1, groupAddedDevicesIds: [1] }, ['1']],
    ['a flag that is none', { computer: 'perhaps', groupAddedDevicesIds: [1] }, ['1']],
    ['a lower-case list of lists', { groupAddedDevicesIds: [[1], [[2]]] }, ['1', '2']],
  ])('%s', (_name, members, ids) => {
    expect(idsOf(group(members))).toEqual(ids);
  });

  test('unusable elements among good ones are told, the good ones used', () => {
    const ids = [1, 0, 'x', null, true, {}, '2147483648', 2, '3 y'];
    const { computers, ignored } = accepted(group({ groupAddedDevicesIds: ids }));
    expect(computers.map(({ jamfComputerId }) => jamfComputerId)).toEqual(['1', '2', '3']);
    expect(ignored.count).toBe(7);
    expect(ignored.listed.map(({ code, field }) => `${code} ${field}`)).toEqual([
      'INVALID event.groupAddedDevicesIds[1]',
      'INVALID event.groupAddedDevicesIds[2]',
      'REQUIRED event.groupAddedDevicesIds[3]',
      'INVALID event.groupAddedDevicesIds[4]',
      'INVALID event.groupAddedDevicesIds[5]',
      'INVALID event.groupAddedDevicesIds[6]',
      'INVALID event.groupAddedDevicesIds[8]',
    ]);
  });

  test('a thousand unusable elements are counted, twenty told', () => {
    const ids = [1, ...Array.from({ length: 1000 }, () => 'x')];
    const { ignored } = accepted(group({ groupAddedDevicesIds: ids }));
    expect([ignored.count, ignored.listed.length]).toEqual([1000, 20]);
  });

  test('a place is told in few characters, however long the names in it are', () => {
    const ids = { ['k'.repeat(5_000)]: ['x', { ['l'.repeat(5_000)]: 'y' }] };
    const { ignored } = accepted(group({ groupAddedDevicesIds: ids, groupRemovedDevicesIds: [1] }));
    expect(ignored.count).toBe(2);
    expect(JSON.stringify(ignored).length).toBeLessThan(2_000);
  });

  test('display fields of computers whose ids are listed are no loss', () => {
    const devices = [{ Building: 'a' }, { Building: 'b' }];
    const both = { groupAddedDevicesIds: [1, 2], groupAddedDevices: devices };
    for (const event of [
      both,
      { ...both, groupRemovedDevicesIds: [2, '1'], groupRemovedDevices: devices },
      { groupAddedDevicesIds: { int: ['1', '2'] }, groupAddedDevices: { device: devices } },
      { groupAddedDevicesIds: { int: '1' }, groupAddedDevices: { device: devices[0] } },
    ]) {
      expect(accepted(group(event)).ignored.count).toBe(0);
    }
    // Objects beyond the list name others.
    const more = [{ id: 1 }, { id: 2 }, { id: 3 }];
    expect(idsOf(group({ ...both, groupAddedDevices: { device: more } }))).toEqual(['1', '2', '3']);
  });

  test('display fields are no ids, whatever they hold', () => {
    const devices = [{ 'Computer Name': '17', Building: { id: 3 }, username: '4' }];
    expect(fieldsOf(group({ groupAddedDevices: devices }))).toEqual([
      'REQUIRED event.groupAddedDevices[0].jssID',
    ]);
    expect(accepted(group({ groupAddedDevices: devices, groupRemovedDevicesIds: [1] })).ignored.count).toBe(
      1,
    );
  });

  test('an event whose header is missing or odd is known by its form', () => {
    const event = { computer: true, groupAddedDevicesIds: [1] };
    for (const webhook of [
      undefined,
      null,
      'x',
      [],
      {},
      { webhookEvent: 5 },
      { webhookEvent: null, id: {} },
    ]) {
      const { computers, ignored } = accepted(JSON.stringify({ webhook, event }));
      expect(computers).toEqual([{ jamfComputerId: '1' }]);
      expect(ignored.count).toBe(1);
    }
    expect(idsOf(JSON.stringify({ event: { computer: { jssID: 2 } } }))).toEqual(['2']);
    expect(idsOf(JSON.stringify({ event: { jssID: 3, osVersion: '15' } }))).toEqual(['3']);
    expect(fieldsOf(JSON.stringify({ event: { jssID: 3, wifiMacAddress: 'aa' } }))).toEqual([
      'REQUIRED webhook',
    ]);
  });

  test('a computer object is found where it is, odd neighbours or not', () => {
    expect(idsOf(json('ComputerAdded', { jssID: [17] }))).toEqual(['17']);
    expect(idsOf(json('ComputerAdded', [{ jssID: 17 }, { jssID: 18 }]))).toEqual(['17', '18']);
    expect(idsOf(json('ComputerCheckIn', { computer: [{ jssID: 17 }] }))).toEqual(['17']);
    expect(idsOf(json('ComputerCheckIn', { computer: 17 }))).toEqual(['17']);
    expect(idsOf(json('ComputerCheckIn', { computer: 'x', jssID: 17 }))).toEqual(['17']);
    expect(idsOf(json('ComputerCheckIn', { computer: { id: 17, jssID: 'x' } }))).toEqual(['17']);
    expect(idsOf(json('ComputerAdded', { jssID: 17, udid: {}, serialNumber: 5, deviceName: [] }))).toEqual([
      '17',
    ]);
    expect(idsOf(json(' Computer-Added\u0000 ', { jssID: 17 }))).toEqual(['17']);
    expect(idsOf(json('ComputerAdded', { jssID: '1\u00007'.replace('\u0000', '') }))).toEqual(['17']);
  });

  test('a name with a control character, NUL or a stray backslash costs nothing', () => {
    for (const name of ['a\nb', 'a\u0000b', '\u0001', 'C:\\Users\\q', '\\u12', 'tab\tbed']) {
      const body = `{"webhook":{"webhookEvent":"ComputerAdded","name":"${name}"},"event":{"deviceName":"${name}","jssID":17,"serialNumber":"a\\"b"}}`;
      expect(accepted(body).computers).toEqual([{ jamfComputerId: '17', serialNumber: 'a"b' }]);
    }
    expect(idsOf(`${json('ComputerAdded', { jssID: 17 })}\u0000\n`)).toEqual(['17']);
  });

  test('XML whose display field has a slash in its name costs nothing', () => {
    for (const field of ['<A/B>x</A/B>', '<A/B/>', '<A/B c="d">x</A/B>', '<A />']) {
      const body = `<JSSEvent><webhook><webhookEvent>ComputerAdded</webhookEvent></webhook><event>${field}<jssID>17</jssID></event></JSSEvent>`;
      expect([field, accepted(body, 'text/xml').computers]).toEqual([field, [{ jamfComputerId: '17' }]]);
    }
  });

  test('XML with a bare ampersand, control characters or names with spaces costs nothing', () => {
    const ids = '<groupAddedDevicesIds><id>1</id><id>2</id></groupAddedDevicesIds>';
    const odd = '<name>R&D \u0001\u0000 &c; AT&T</name>';
    const spaced = '<groupAddedDevices><device><Computer Name>x</Computer Name></device></groupAddedDevices>';
    for (const part of [odd, spaced, odd + spaced]) {
      expect(
        idsOf(xml('SmartGroupComputerMembershipChange', `<computer>true</computer>${part}${ids}`)),
      ).toEqual(['1', '2']);
    }
    const text = '<computer>true</computer><groupAddedDevicesIds>1, 2</groupAddedDevicesIds>';
    expect(idsOf(xml('SmartGroupComputerMembershipChange', text))).toEqual(['1', '2']);
    const devices =
      '<groupAddedDevices><device><id>1</id><name>5</name></device><device><id>2</id></device></groupAddedDevices>';
    expect(idsOf(xml('SmartGroupComputerMembershipChange', `<computer>true</computer>${devices}`))).toEqual([
      '1',
      '2',
    ]);
    const mixed =
      '<computer>true</computer><groupAddedDevicesIds><id>1</id><id>x</id></groupAddedDevicesIds>';
    expect(accepted(xml('SmartGroupComputerMembershipChange', mixed))).toMatchObject({
      computers: [{ jamfComputerId: '1' }],
      ignored: { count: 1, listed: [{ field: 'event.groupAddedDevicesIds.id[1]' }] },
    });
  });
});

describe('XML', () => {
  test('a nested check-in reads as its JSON does, whatever the content type says', () => {
    const event =
      '<computer><jssID>17</jssID><serialNumber>C02TEST00017</serialNumber><udid>55900BDC-347C-58B1-D249-F32244B11D30</udid></computer><trigger>x</trigger>';
    for (const contentType of ['text/xml; charset=utf-8', 'application/xml', 'application/json', undefined]) {
      const webhook = accepted(`\uFEFF${xml('ComputerCheckIn', event)}`, contentType);
      expect(webhook).toMatchObject({ webhookId: '2', webhookName: 'R&D é', computers: [seen] });
      expect(webhook.eventAt).toEqual(new Date(1793000000123));
    }
  });

  test('text that looks like a number stays text', () => {
    const webhook = accepted(xml('ComputerAdded', '<jssID>7</jssID><serialNumber>0012e3</serialNumber>'));
    expect(webhook.computers).toEqual([{ jamfComputerId: '7', serialNumber: '0012e3' }]);
  });

  test.each([
    '<groupAddedDevicesIds>4</groupAddedDevicesIds><groupAddedDevicesIds>5</groupAddedDevicesIds>',
    '<groupAddedDevicesIds><int>4</int><int>5</int></groupAddedDevicesIds><groupRemovedDevicesIds/>',
    '<groupAddedDevicesIds>4</groupAddedDevicesIds><groupRemovedDevicesIds>5</groupRemovedDevicesIds>',
  ])('lists however they are written: %s', (lists) => {
    const webhook = accepted(xml('SmartGroupComputerMembershipChange', `<computer>true</computer>${lists}`));
    expect(webhook.computers.map(({ jamfComputerId }) => jamfComputerId)).toEqual(['4', '5']);
  });

  const bomb = `<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;&a;">]>
<JSSEvent><webhook><webhookEvent>&b;</webhookEvent></webhook></JSSEvent>`;
  test.each([
    ['entity bomb', bomb],
    ['external entity', '<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]><JSSEvent/>'],
    ['document type in lower case', `<!doctype x>${xml('ComputerAdded', '<jssID>1</jssID>')}`],
    ['other root', '<computer><id>1</id></computer>'],
    ['unclosed element', '<JSSEvent><webhook><webhookEvent>ComputerAdded</webhookEvent>'],
    ['deep nesting', `${'<a>'.repeat(50_000)}${'</a>'.repeat(50_000)}`],
    ['two roots', '<JSSEvent/><JSSEvent/>'],
    ['nothing', '   '],
    ['text', 'payload=1'],
    ['a list', '[]'],
    ['broken JSON', '{"webhook":'],
    ['too long', `{"a":"${'x'.repeat(1_100_000)}"}`],
  ])('refused: %s', (_name, body) => {
    expect(parseWebhook(body, 'text/xml')).toMatchObject({ ok: false });
  });

  test('a reference to what is not predefined stays as it is written', () => {
    const body = xml(
      'ComputerAdded',
      '<jssID>1</jssID><serialNumber>&evil;&amp;amp;&#x110000;</serialNumber>',
    );
    expect(accepted(body).computers[0]?.serialNumber).toBe('&evil;&amp;&#x110000;');
  });

  test.each(['<!--', '<![CDATA[', '<a ', '<a b="', '</a>', '<?x ', '&amp', '<a/>', '<!---->'])(
    'a megabyte of %s is answered in time',
    (part) => {
      const started = performance.now();
      parseWebhook(`<JSSEvent>${part.repeat(Math.floor(1_000_000 / part.length))}</JSSEvent>`, 'text/xml');
      expect(performance.now() - started).toBeLessThan(10_000);
    },
    20_000,
  );
});

describe('anything at all', () => {
  const names = fc.constantFrom(...jamfEventNames, 'ComputerCheckin', '__proto__');
  const keys = fc.constantFrom(
    'jssID',
    'computer',
    'objectID',
    'objectTypeName',
    'groupAddedDevicesIds',
    '__proto__',
  );
  const values = fc.oneof(fc.jsonValue(), fc.constant('computer'), fc.integer());

  test('never throws and accepts only whole ids', () => {
    fc.assert(
      fc.property(names, fc.dictionary(keys, values), values, (name, event, webhook) => {
        const body = JSON.stringify({ webhook: { webhookEvent: name, id: webhook }, event });
        const result = parseWebhook(body, 'application/json');
        for (const { jamfComputerId } of result.ok ? result.webhook.computers : []) {
          expect(jamfComputerId).toMatch(/^[1-9][0-9]{0,9}$/);
        }
      }),
    );
  });

  test('never throws on arbitrary text or broken XML', () => {
    const valid = xml('ComputerAdded', '<jssID>1</jssID>');
    const broken = fc
      .tuple(fc.nat(valid.length), fc.nat(20), fc.string())
      .map(([at, drop, insert]) => valid.slice(0, at) + insert + valid.slice(at + drop));
    const tags = fc
      .array(
        fc.constantFrom(
          '<JSSEvent>',
          '<__proto__>',
          '</constructor>',
          '<webhook>',
          '</webhook>',
          '<![CDATA[',
          ']]>',
          'x',
        ),
      )
      .map((parts) => parts.join(''));
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json(), broken, tags), (body) => {
        parseWebhook(body, undefined);
      }),
      { numRuns: 500 },
    );
  });
});
