/** Commands that show the server's version and the Microsoft clouds that it knows. */

import type { Command } from 'commander';
import { addVerb } from './declare.ts';
import { list, show } from './kinds.ts';

export function addAbout(program: Command): void {
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
