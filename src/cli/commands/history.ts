/** `espalier history`: who did what, chained by hash. */

import type { Command } from 'commander';
import { pathOf } from '../../client/request.ts';
import { usageFailure } from '../failure.ts';
import { addGroup, type Verb } from './declare.ts';
import { list, show } from './kinds.ts';

const entries = list({
  name: 'list',
  summary: 'who did what, newest first',
  operation: 'GET /history',
  options: [
    {
      flags: '--log',
      text: 'the lines of JAMFChangeManagement.log instead, as Jamf Pro writes them oldest first; of the options only --filter goes with it',
    },
  ],
  examples: [
    ['history list --limit 20', 'the last twenty'],
    ['history list --log >> JAMFChangeManagement.log', 'for a log collector that reads those of Jamf Pro'],
  ],
});

const verbs: readonly Verb[] = [
  {
    ...entries,
    run: async (call) => {
      if (!call.given.flag('log')) return entries.run(call);
      const other = ['sort', 'page', 'pageSize', 'limit'].find(
        (name) => call.given.value(name) !== undefined,
      );
      if (other !== undefined)
        throw usageFailure(
          '--log gives all lines that --filter matches, in their order: it takes no paging and no --sort',
        );
      const query = { filter: call.given.text('filter') };
      const lines = await call.api.download(pathOf('GET /history', {}, query), 'text/plain');
      for await (const chunk of lines) await call.output.write(String(chunk));
      return 0;
    },
  },
  {
    ...show({
      name: 'verify',
      summary: 'whether the history is whole: every entry is chained to the one before by hash',
      details: 'Exit code 1 if it is broken, with the first entry that does not fit.',
      operation: 'GET /history/verify',
      examples: [['history verify', 'how many entries were checked']],
    }),
    run: async ({ api, output }) => {
      const [{ writeAnswer }, answer] = await Promise.all([
        import('../output/output.ts'),
        api.call('GET', '/history/verify'),
      ]);
      await writeAnswer(output, answer);
      return typeof answer === 'object' && answer !== null && 'ok' in answer && answer.ok === true ? 0 : 1;
    },
  },
];

export const addHistory = (program: Command): Command =>
  addGroup(program, { name: 'history', summary: 'who did what, when, from where and why' }, verbs);
