import { describe, expect, test } from 'vitest';
import { readTree } from '../../.ci/layers.ts';
import { checkNodeInternals, describeReach } from '../../.ci/node-internals.ts';

const reaches = (text: string, file = 'src/outbound/node.ts'): string[] =>
  checkNodeInternals(new Map([[file, text]])).map(({ line, what }) => `${line} ${what}`);

describe("Node's internals outside of their one file", () => {
  test.each([
    ['a handle', 'const h = socket._handle;', '_handle'],
    ['a handle that may not be there', 'socket?._handle?.readStop();', '_handle'],
    ['a handle by its name as a text', "const h = socket['_handle'];", "'_handle'"],
    ['a handle that is taken apart', 'const { _handle: handle } = socket;', '_handle'],
    ['a parent', 'request.socket._parent;', '_parent'],
    ['symbols by their names', 'Object.getOwnPropertySymbols(socket).find(named);', 'getOwnPropertySymbols'],
    ['all keys', 'Reflect.ownKeys(socket);', 'ownKeys'],
    ['a binding', "process.binding('tcp_wrap');", 'process.binding'],
    ["a handle's method", 'handle.writeLatin1String(request, text);', 'writeLatin1String'],
    ['a method that is replaced', 'socket.write = () => true;', 'a new .write'],
    ['a property that is replaced', "Object.defineProperty(socket, 'write', {});", 'defineProperty'],
    ['a prototype', 'Socket.prototype.end = end;', 'a prototype'],
    ['another prototype', 'Object.setPrototypeOf(socket, other);', 'setPrototypeOf'],
  ])('%s is refused', (_, text, what) => {
    expect(reaches(`\n${text}`)).toContain(`2 ${what}`);
  });

  test('documented use is not', () => {
    expect(
      reaches(`
        // socket._handle
        socket.write('_ handle'); const _unused = socket.end(); if (socket.read == null) socket.on('x', (a) => a);
        const options = { write: (_text: string) => true, on: 1 };
      `),
    ).toEqual([]);
  });

  test('they are allowed there, and in tests', () => {
    for (const file of ['src/runtime/lane/node-internals.ts', 'src/runtime/lane/connection.test.ts'])
      expect(reaches('socket._handle;', file)).toEqual([]);
    expect(reaches('socket._handle;', 'src/runtime/lane/connection.ts')).toEqual(['1 _handle']);
  });

  test('nobody reaches for them', () => {
    expect(checkNodeInternals(readTree()).map(describeReach)).toEqual([]);
  });
});
