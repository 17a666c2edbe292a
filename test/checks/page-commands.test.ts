import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { createProgram } from '../../src/cli/program.ts';

/**
 * Commands of the README and of docs/ are such as would run: each `espalier …` in a shell block reaches its command,
 * each one in running text names one, and each npm script is there. docs/operators.md is typed as a whole by another test,
 * and docs/cli.md is made of commands that are there.
 */

const root = join(import.meta.dirname, '../..');
const pages = [
  'README.md',
  'CONTRIBUTING.md',
  ...readdirSync(join(root, 'docs'))
    .filter((name) => name.endsWith('.md') && name !== 'cli.md')
    .map((name) => `docs/${name}`),
].map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') }));

const shellBlocks = (text: string): string[] =>
  [...text.matchAll(/^ *```(?:sh|console)\n([\s\S]*?)^ *```$/gm)].map(([, block = '']) =>
    block.replaceAll(/\\\n\s*/g, ' '),
  );

/** The words behind each `espalier` that stands where a command begins, up to what belongs to the shell. */
function typedCommands(block: string): string[][] {
  const found: string[][] = [];
  for (const line of block.split('\n')) {
    if (/^\s*#/.test(line) || line.includes('espalier()')) continue;
    for (const start of line.matchAll(
      /(?:^\s*(?:\$ )?|[;|(] ?|do |until |npm run -s )(?:\w+="[^"]*" )*espalier (?:-- )?/g,
    )) {
      const rest = line.slice(start.index + start[0].length);
      const words: string[] = [];
      for (const [word, single, double] of rest.matchAll(
        /'([^']*)'|"([^"]*)"|[|<>;&)#]|2>|[^\s'"|<>;&)]+/g,
      )) {
        if (/^(?:[|<>;&)#]|2>)/.test(word)) break;
        words.push(single ?? double ?? word);
      }
      found.push(words);
    }
  }
  return found;
}

const commands = (command: Command): Command[] => [command, ...command.commands.flatMap(commands)];

async function reaches(words: readonly string[]): Promise<string> {
  const program = createProgram().hook('preAction', () => {
    throw new Error('the command would run');
  });
  for (const one of commands(program))
    one.exitOverride().configureOutput({ writeErr: () => undefined, writeOut: () => undefined });
  try {
    await program.parseAsync(words, { from: 'user' });
    return 'nothing ran';
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

const typed = pages.flatMap(({ path, text }) =>
  shellBlocks(text)
    .flatMap(typedCommands)
    .map((words) => [path, words.join(' '), words] as const),
);

describe('commands of the documentation', () => {
  it('are found', () => {
    expect(typed.length).toBeGreaterThan(30);
  });

  it.each(typed)('%s: espalier %s', async (_, _line, words) => {
    const outcome = await reaches(words);
    expect(['the command would run', '(outputHelp)', '(version)']).toContain(outcome);
  });

  it('name in running text only what is there', () => {
    const program = createProgram();
    const unknown = pages.flatMap(({ path, text }) =>
      [...text.replaceAll(/^ *```[\s\S]*?^ *```$/gm, '').matchAll(/`espalier ((?:[a-z-]+ ?)+)/g)].flatMap(
        ([, line = '']) => {
          let at: Command = program;
          for (const word of line.trim().split(' ')) {
            const next = at.commands.find((one) => one.name() === word);
            if (next === undefined)
              return at.commands.length > 0 && !word.startsWith('-') ? [`${path}: ${line}`] : [];
            at = next;
          }
          return [];
        },
      ),
    );
    expect(unknown).toEqual([]);
  });

  it('run npm scripts that are there', () => {
    const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
      scripts: Readonly<Record<string, string>>;
    };
    const missing = pages.flatMap(({ path, text }) =>
      [...text.matchAll(/npm run (?:-s )?([\w:-]+)/g)].flatMap(([, name = '']) =>
        name in scripts ? [] : [`${path}: ${name}`],
      ),
    );
    expect(missing).toEqual([]);
  });
});
