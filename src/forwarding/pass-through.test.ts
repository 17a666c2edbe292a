import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { matchPassThrough, type PassThroughEntry, parsePassThroughEntry } from './pass-through.ts';

const list = (...texts: readonly string[]): PassThroughEntry[] =>
  texts.map((text) => parsePassThroughEntry(text) ?? expect.fail(`${text} is no entry`));

const entries = list(
  'GET /api/v1/computers-inventory/{id}',
  'PATCH /api/v1/computers-inventory-detail/{id}',
  'GET /JSSResource/computers/id/{id}/subset/general',
  'GET /api/v1/departments',
  'HEAD /api/v1/only-head',
);

const pathOf = (method: string, target: string, id = 7): string => {
  const match = matchPassThrough(entries, method, target, id);
  return match.ok ? match.path : match.problem.slug;
};

describe('a call is passed through', () => {
  it.each([
    ['GET', '/api/v1/computers-inventory/{id}', '/api/v1/computers-inventory/7'],
    ['GET', '/api/v1/computers-inventory/%7Bid%7D', '/api/v1/computers-inventory/7'],
    ['GET', '/api/v1/computers-inventory/%7bid%7d', '/api/v1/computers-inventory/7'],
    ['HEAD', '/api/v1/computers-inventory/{id}', '/api/v1/computers-inventory/7'],
    ['PATCH', '/api/v1/computers-inventory-detail/{id}', '/api/v1/computers-inventory-detail/7'],
    ['GET', '/JSSResource/computers/id/{id}/subset/general', '/JSSResource/computers/id/7/subset/general'],
    ['GET', '/api/v1/departments', '/api/v1/departments'],
    ['GET', '/api/v1/departments?', '/api/v1/departments?'],
    [
      'GET',
      '/api/v1/computers-inventory/{id}?section=GENERAL&section=DISK%20X&x={id}/../8',
      '/api/v1/computers-inventory/7?section=GENERAL&section=DISK%20X&x={id}/../8',
    ],
  ])('%s %s', (method, target, path) => {
    expect(pathOf(method, target)).toBe(path);
  });
});

describe('a call is not on the list', () => {
  it.each([
    ['with another method', 'DELETE', '/api/v1/computers-inventory/{id}'],
    ['with GET where only HEAD is listed', 'GET', '/api/v1/only-head'],
    ['with a method in lower case', 'get', '/api/v1/departments'],
    ["with another computer's id", 'GET', '/api/v1/computers-inventory/8'],
    ["with the device's own id", 'GET', '/api/v1/computers-inventory/7'],
    ['with the id twice encoded', 'GET', '/api/v1/computers-inventory/%257Bid%257D'],
    ['with a half-encoded id', 'GET', '/api/v1/computers-inventory/{id%7D'],
    ['with a longer path', 'GET', '/api/v1/computers-inventory/{id}/x'],
    ['with a shorter path', 'GET', '/api/v1/computers-inventory'],
    ['with an empty part at the end', 'GET', '/api/v1/departments/'],
    ['with an empty part inside', 'GET', '/api//v1/departments'],
    ['with an empty part in front', 'GET', '//api/v1/departments'],
    ['with dots', 'GET', '/api/v1/x/../departments'],
    ['with a dot', 'GET', '/api/./v1/departments'],
    ['with encoded dots', 'GET', '/api/v1/x/%2e%2E/departments'],
    ['with dots after the id', 'GET', '/api/v1/computers-inventory/{id}/../8'],
    ['with an encoded slash', 'GET', '/api/v1%2Fdepartments'],
    ['with an encoded slash in the id', 'GET', '/api/v1/computers-inventory/{id}%2F..%2F8'],
    ['with a backslash', 'GET', '/api/v1\\departments'],
    ['with an encoded backslash', 'GET', '/api/v1%5Cdepartments'],
    ['with a letter encoded', 'GET', '/api/v1/%64epartments'],
    ['with a path parameter', 'GET', '/api/v1/departments;x=1'],
    ['with a NUL', 'GET', '/api/v1/departments%00'],
    ['with a control character', 'GET', '/api/v1/departments\r\nx: y'],
    ['with a fragment', 'GET', '/api/v1/departments#x'],
    ['in another case', 'GET', '/API/v1/departments'],
    ['without a slash in front', 'GET', 'api/v1/departments'],
    ['with the literal placeholder where a word stands', 'GET', '/api/v1/{id}'],
    ['empty', 'GET', ''],
  ])('%s', (_, method, target) => {
    expect(pathOf(method, target)).toBe('not-found');
  });

  it('whatever it is, unless it equals an entry', () => {
    const part = fc.oneof(
      fc.constantFrom(
        'api',
        'v1',
        'computers-inventory',
        '{id}',
        '%7Bid%7D',
        '8',
        '..',
        '.',
        '',
        '%2e%2e',
        '%2F',
        '\\',
      ),
      fc.string({ maxLength: 6 }),
    );
    fc.assert(
      fc.property(fc.array(part, { maxLength: 6 }), (parts) => {
        const path = pathOf('GET', `/${parts.join('/')}`, 424_242);
        if (path === 'not-found' || path === 'invalid-request') return;
        const allowed = entries.map(({ parts: own }) => `/${own.join('/').replace('{id}', '424242')}`);
        expect(allowed).toContain(path.split('?')[0]);
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('a query is refused', () => {
  it.each([
    ['a space', '?a b'],
    ['a line end', '?a\r\nhost: x'],
    ['a fragment', '?a#b'],
    ['a byte above ASCII', '?a=\xe9'],
    ['a letter that latin1 would cut to a line end', '?a=\u010d\u010a'],
    ['more than 4096 characters', `?${'a'.repeat(5_000)}`],
  ])('with %s', (_, query) => {
    expect(pathOf('GET', `/api/v1/departments${query}`)).toBe('invalid-request');
  });
});

describe('an entry is refused', () => {
  it.each([
    '',
    'GET',
    '/api',
    'GET api',
    'get /api',
    'CONNECT /api',
    'TRACE /api',
    'GET /',
    'GET /api/',
    'GET //api',
    'GET /api/../x',
    'GET /api/.',
    'GET /api?x',
    'GET /api#x',
    'GET /api/%2e',
    'GET /api/a;b',
    'GET /api/a\\b',
    'GET /api/{name}',
    'GET /api/x{id}',
    'GET /api/*',
    'GET  /api',
    'GET /api /x',
  ])('%j', (text) => {
    expect(parsePassThroughEntry(text)).toBeUndefined();
  });
});
