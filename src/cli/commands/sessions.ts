import type { Command } from 'commander';
import { addGroup, type Verb } from './declare.ts';
import { act, list } from './kinds.ts';

/** `espalier sessions`: browsers that operators are signed in with. */

const verbs: readonly Verb[] = [
  list({
    name: 'list',
    summary: 'sessions of the console: all of them for an admin of all tenants, else your own',
    operation: 'GET /sessions',
    examples: [['sessions list', 'whose each is, when it was last used and when it ends']],
  }),
  act({
    name: 'end',
    summary: 'sign a browser out at its next request',
    operation: 'DELETE /sessions/{sessionId}',
    arguments: [{ name: 'sessionId', text: 'the id of the session' }],
    ask: ({ parameters }) => `End the session ${parameters.sessionId}?`,
    done: () => 'ended',
    examples: [['sessions end 7c1d4a90-… --yes', 'without asking']],
  }),
];

export const addSessions = (program: Command): Command =>
  addGroup(program, { name: 'sessions', summary: 'browsers that operators are signed in with' }, verbs);
