/** The three kinds of command that most are: lists, one object, and doing something. */

import { methodOf, type OperationName, pathOf } from '../../client/request.ts';
import { choices, lists } from '../api-model.ts';
import { isRow, type Row } from '../output/fields.ts';
import { type ListModel, writeList } from '../output/list.ts';
import { writeAnswer } from '../output/output.ts';
import { recordLines } from '../output/record.ts';
import { sayWarnings } from '../output/warnings.ts';
import { sayIfWaiting } from './approval.ts';
import { checkConfirmable, confirm, yesOption } from './confirmation.ts';
import { bodyOf, type OptionSpec, queryOf, type Verb, type VerbCall } from './declare.ts';
import { withNames, withNamesBeside } from './named.ts';
import { pagesOf } from './pages.ts';

export const tenantOption: OptionSpec = {
  flags: '-t, --tenant <tenant>',
  text: 'the Entra tenant, by id or name',
  names: 'tenant',
  required: true,
  variable: 'ESPALIER_TENANT',
};

type Declared = Pick<Verb, 'name' | 'summary' | 'details' | 'arguments' | 'options' | 'examples'>;

interface ListDeclaration extends Declared {
  readonly operation: OperationName;
}

const pagingOptions: readonly OptionSpec[] = [
  { flags: '--page <number>', text: 'only this page, from 0; default: all pages', kind: 'whole' },
  { flags: '--page-size <rows>', text: 'rows asked for at once, at most 2000', kind: 'whole' },
  { flags: '--limit <rows>', text: 'at most so many rows in all', kind: 'whole' },
];

const sortOption: OptionSpec = {
  flags: '--sort <fields>',
  text: 'for example updatedAt:desc,deviceId:asc',
  query: 'sort',
};

const filterOption = (text: string): OptionSpec => ({ flags: '--filter <rsql>', text, query: 'filter' });

function listModelOf(operation: OperationName): ListModel {
  const model = lists[operation];
  if (model === undefined) throw new Error(`the API's document has no list ${operation}`);
  return model;
}

/** Its options and columns are those that the API's document gives the operation. */
export function list({ operation, ...declared }: ListDeclaration): Verb {
  const { filter, paged, sort, ...shape } = listModelOf(operation);
  const options: readonly OptionSpec[] = [
    ...(declared.options ?? []),
    ...(filter === undefined ? [] : [filterOption(filter)]),
    ...(sort ? [sortOption] : []),
    ...(paged ? pagingOptions : []),
  ];
  return {
    ...declared,
    options,
    operations: [operation],
    run: async ({ api, given, output, parameters }) => {
      const query = queryOf(options, given);
      const pathFor = (paging: Readonly<Record<string, string>>): string =>
        pathOf(operation, parameters, paged ? { ...query, ...paging } : query);
      const wanted = paged
        ? { page: given.number('page'), pageSize: given.number('pageSize'), limit: given.number('limit') }
        : { page: 0, pageSize: undefined, limit: undefined };
      const plain = { pages: pagesOf(api, pathFor, wanted), columns: shape.columns };
      const { columns, pages } =
        output.format === 'table' ? withNames(api, plain, parameters.tenantId) : plain;
      await writeList(output, pages, { ...shape, columns });
      return 0;
    },
  };
}

interface ShowDeclaration extends Declared {
  readonly operation: OperationName;
  readonly human?: (answer: Row) => readonly string[];
  /** Said on standard error of what the answer shows: what helps. */
  readonly advice?: (answer: Row) => string | undefined;
}

export const show = ({ advice, human, operation, ...declared }: ShowDeclaration): Verb => ({
  ...declared,
  operations: [operation],
  run: async ({ api, given, output, parameters }) => {
    const path = pathOf(operation, parameters, queryOf(declared.options ?? [], given));
    const answer = await api.call('GET', path);
    const isDrawn = output.format === 'table' && human === undefined && isRow(answer);
    await writeAnswer(
      output,
      isDrawn ? await withNamesBeside(api, answer, parameters.tenantId) : answer,
      human,
    );
    const said = isRow(answer) ? advice?.(answer) : undefined;
    if (said !== undefined) output.say(said);
    return 0;
  },
});

export interface ActDeclaration extends Declared {
  readonly operation: OperationName;
  readonly human?: (answer: Row) => readonly string[];
  /** Said on standard error when it is done. */
  readonly done?: (call: VerbCall, answer: unknown) => string | undefined;
  /** It takes something away: the question that has to be answered first; undefined as it was called this time. */
  readonly ask?: (call: VerbCall) => string | undefined;
  /** The API shows with `dry-run=true` what would happen. */
  readonly dryRun?: boolean;
  /** `dry-run=true` gives the plan for the question, without being an option. */
  readonly planned?: boolean;
  /** More of the query than the options make. */
  readonly query?: (call: VerbCall) => Readonly<Record<string, string>>;
  /** The calls it makes besides its operation. */
  readonly calls?: readonly OperationName[];
  /** More of the body than the options make. */
  readonly body?: (call: VerbCall) => Promise<Record<string, unknown>>;
  /** Runs after a success, such as waiting. */
  readonly afterwards?: (call: VerbCall, answer: unknown) => Promise<void>;
  /** The answer comes in lines, which a table shows as they come, and `last` of the whole at the end. */
  readonly follow?: {
    readonly line: (line: Row) => readonly string[];
    readonly last: (answer: Row) => readonly string[];
  };
  /** An answer that is a success of HTTP but not of what was asked: exit code 1. */
  readonly failed?: (answer: Row) => boolean;
}

export const dryRunOption: OptionSpec = {
  flags: '--dry-run',
  text: 'change nothing, show what would be done',
};

function optionsOf({ ask, dryRun, operation, options = [] }: ActDeclaration): readonly OptionSpec[] {
  const limited = options.map((option): OptionSpec => {
    const values = choices[operation]?.[option.body ?? ''];
    return values === undefined ? option : { ...option, choices: values };
  });
  return [...limited, ...(dryRun === true ? [dryRunOption] : []), ...(ask === undefined ? [] : [yesOption])];
}

async function askFirst(
  { ask, dryRun, human, planned }: ActDeclaration,
  call: VerbCall,
  send: (dryRun: boolean) => Promise<unknown>,
): Promise<void> {
  const question = ask?.(call);
  if (question === undefined || call.given.flag('yes')) return;
  const plan = dryRun === true || planned === true ? await send(true) : undefined;
  const lines = isRow(plan) ? (human ?? recordLines)(plan) : [];
  await confirm(call.output, question, lines);
}

/** The secret of an application belongs beside its id that came by another option. */
function merged(body: Row = {}, added: Row = {}): Row {
  const all: Record<string, unknown> = { ...body };
  for (const [name, value] of Object.entries(added)) {
    const before = all[name];
    all[name] = isRow(before) && isRow(value) ? { ...before, ...value } : value;
  }
  return all;
}

export function act(declaration: ActDeclaration): Verb {
  const {
    ask,
    body: more,
    calls = [],
    done,
    dryRun,
    failed,
    follow,
    human,
    operation,
    query: moreQuery,
    afterwards,
    ...declared
  } = declaration;
  const options = optionsOf(declaration);
  const run = async (call: VerbCall): Promise<number> => {
    const { api, given, output, parameters } = call;
    const isDryRun = dryRun === true && given.flag('dryRun');
    if (ask?.(call) !== undefined && !isDryRun) checkConfirmable(given.flag('yes'));
    const fromOptions = bodyOf(options, given);
    const added = await more?.(call);
    const body = fromOptions === undefined && added === undefined ? undefined : merged(fromOptions, added);
    const query = { ...queryOf(options, given), ...moreQuery?.(call) };
    const send = (isTrial: boolean): Promise<unknown> => {
      const path = pathOf(operation, parameters, isTrial ? { ...query, 'dry-run': 'true' } : query);
      return api.call(methodOf(operation), path, body);
    };
    if (!isDryRun) await askFirst(declaration, call, send);
    const asLines = output.format === 'table' && !isDryRun ? follow : undefined;
    const answer =
      asLines === undefined
        ? await send(isDryRun)
        : await api.follow(pathOf(operation, parameters, query), async (line) => {
            for (const text of asLines.line(line)) await output.write(`${text}\n`);
          });
    const waiting = !isDryRun && sayIfWaiting(output, answer);
    await writeAnswer(output, answer, waiting ? undefined : (asLines?.last ?? human));
    sayWarnings(output, answer);
    if (isDryRun) output.say('nothing was changed: this is what would be done');
    if (isDryRun || waiting) return 0;
    const said = done?.(call, answer);
    if (said !== undefined) output.say(said);
    await afterwards?.(call, answer);
    return isRow(answer) && failed?.(answer) === true ? 1 : 0;
  };
  return { ...declared, options, operations: [operation, ...calls], run };
}
