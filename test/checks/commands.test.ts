import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { examplesOf, operationsOf } from '../../src/cli/commands/declare.ts';
import { createProgram } from '../../src/cli/program.ts';

/** The command line and the admin API belong together: each command's operation exists, each operation has a command. */

interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

const document = JSON.parse(
  readFileSync(new URL('../../docs/openapi.json', import.meta.url), 'utf8'),
) as Document;
const methods = ['delete', 'get', 'patch', 'post', 'put'];
const served = Object.entries(document.paths).flatMap(([path, item]) =>
  Object.keys(item)
    .filter((method) => methods.includes(method) && path.startsWith('/api/v1/'))
    .map((method) => `${method.toUpperCase()} ${path.slice('/api/v1'.length)}`),
);

/** Of contract section 8; each may be struck out as soon as the document has it. */
const promised = ['POST /tenants/{tenantId}/devices/import', 'GET /tenants/{tenantId}/devices/export'];

/** Operations that no command has to reach, with the reason. */
const withoutCommand: Readonly<Record<string, string>> = {
  'GET /events': 'a stream for pages that bring themselves up to date; a script asks for what it needs',
};

const commands = (command: Command): Command[] => [command, ...command.commands.flatMap(commands)];
const all = commands(createProgram());
const nameOf = (command: Command): string =>
  command.parent === null ? command.name() : `${nameOf(command.parent)} ${command.name()}`;

describe('commands and operations', () => {
  it('lets no command call what the OpenAPI document does not have', () => {
    const unknown = all.flatMap((command) =>
      operationsOf(command)
        .filter((operation) => !served.includes(operation) && !promised.includes(operation))
        .map((operation) => `${nameOf(command)}: ${operation}`),
    );
    expect(unknown).toEqual([]);
  });

  it('reaches every operation of the OpenAPI document by some command', () => {
    const reached = new Set<string>(all.flatMap(operationsOf));
    const missing = served.filter(
      (operation) => !reached.has(operation) && withoutCommand[operation] === undefined,
    );
    expect(missing).toEqual([]);
  });

  /** The file that it takes says which tenant it is of. */
  const ownTenant = new Set(['espalier tenants move-in']);

  it('declares every parameter of the path as argument or option', () => {
    for (const command of all) {
      const [own] = operationsOf(command);
      const names = [...(own ?? '').matchAll(/\{(\w+)\}/g)].map(([, name]) => name!);
      const given = [
        ...(ownTenant.has(nameOf(command)) ? ['tenantId'] : []),
        ...command.registeredArguments.map((one) => one.name()),
        ...command.options.map((one) =>
          one.attributeName() === 'tenant' ? 'tenantId' : one.attributeName(),
        ),
      ];
      expect({ command: nameOf(command), missing: names.filter((name) => !given.includes(name)) }).toEqual({
        command: nameOf(command),
        missing: [],
      });
    }
  });

  it('takes --reason for every write', () => {
    const writing = all.filter((command) =>
      operationsOf(command).some((operation) => !operation.startsWith('GET ')),
    );
    expect(writing.length).toBeGreaterThan(20);
    for (const command of writing)
      expect({
        command: nameOf(command),
        reason: command.options.some((one) => one.long === '--reason'),
      }).toEqual({
        command: nameOf(command),
        reason: true,
      });
  });

  it('describes every command, argument and option, with an example', () => {
    for (const command of all.filter((one) => one.commands.length === 0)) {
      expect(command.description(), nameOf(command)).not.toBe('');
      for (const one of command.registeredArguments) expect(one.description, nameOf(command)).not.toBe('');
      for (const option of command.options) expect(option.description, nameOf(command)).not.toBe('');
      if (command.name() === 'names') continue;
      const path = nameOf(command).replace(/^espalier /, '');
      const examples = examplesOf(command);
      expect(examples.length, nameOf(command)).toBeGreaterThan(0);
      for (const [line] of examples) expect(line).toMatch(new RegExp(`^${path}( |$)`));
    }
  });

  it('has no example that would end with a usage error', async () => {
    const reached = 'the command would run';
    for (const command of all) {
      for (const [line] of examplesOf(command)) {
        const words = [...line.replace(/ [|<>].*$/, '').matchAll(/'([^']*)'|(\S+)/g)];
        const program = createProgram().hook('preAction', () => {
          throw new Error(reached);
        });
        for (const one of commands(program))
          one.exitOverride().configureOutput({ writeErr: () => undefined });
        const typed = words.map(([, quoted, plain]) => quoted ?? plain!);
        await expect(program.parseAsync(typed, { from: 'user' }), line).rejects.toThrow(reached);
      }
    }
  });

  it('takes no option away from a command by a global one of the same name', () => {
    const [program, ...others] = all;
    const global = new Set(
      program!.options.flatMap(({ long, short }) => [long, short]).filter((flag) => flag),
    );
    for (const command of others) {
      const taken = command.options.filter(({ long, short }) => global.has(long) || global.has(short));
      expect({ command: nameOf(command), taken: taken.map(({ flags }) => flags) }).toEqual({
        command: nameOf(command),
        taken: [],
      });
    }
  });
});
