/** Commands about the server as a whole: what needs a person, where something is, its version and its clouds. */

import type { Command } from 'commander';
import { addVerb } from './declare.ts';
import { list, show } from './kinds.ts';

export function addAbout(program: Command): void {
  addVerb(
    program,
    show({
      name: 'overview',
      summary: 'what needs a person, with cause, remedy and who has to act, then the tenants',
      operation: 'GET /overview',
      examples: [['overview -o yaml', 'what the first page of the console shows']],
    }),
  );
  addVerb(
    program,
    show({
      name: 'search',
      summary:
        'tenants, instances and devices by any name or id: serial number, device id, computer name, user',
      operation: 'GET /search',
      options: [
        {
          flags: '--for <text>',
          text: 'a name or an id, or the beginning of one',
          required: true,
          query: 'q',
        },
      ],
      examples: [['search --for C02XK1', 'Macs whose serial number begins so']],
    }),
  );
  addVerb(
    program,
    list({
      name: 'clouds',
      summary: 'the Microsoft clouds that the server knows',
      operation: 'GET /clouds',
      examples: [['clouds', 'whether each has an application configured']],
    }),
  );
  addVerb(
    program,
    list({
      name: 'settings',
      summary:
        'the settings that the server works with, secrets masked; "config" shows those of this machine',
      operation: 'GET /settings',
      examples: [['settings -o yaml', 'with the meaning and the default of each']],
    }),
  );
  addVerb(
    program,
    show({
      name: 'server-version',
      summary: 'the version of the server; that of this command is --version',
      operation: 'GET /version',
      examples: [['server-version -o json', 'as the API gives it']],
    }),
  );
  addVerb(
    program,
    show({
      name: 'whoami',
      summary: 'who the server takes you for, with which role and which tenants',
      operation: 'GET /session',
      examples: [['whoami', 'whether a key works, and what it may do']],
    }),
  );
}
