/** Each shell itself loads the script; where one is not installed its tests are left out. */

import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createProgram } from '../program.ts';
import { completionScript } from './script.ts';

const has = (shell: string): boolean => spawnSync(shell, ['-c', 'exit 0']).status === 0;
const folder = mkdtempSync(join(tmpdir(), 'espalier-completion-'));
const script = (shell: 'bash' | 'zsh' | 'fish'): string => {
  const path = join(folder, shell);
  writeFileSync(path, completionScript(createProgram(), shell));
  return path;
};

// `espalier profiles names` as the script calls it.
mkdirSync(join(folder, 'bin'));
writeFileSync(
  join(folder, 'bin', 'espalier'),
  '#!/bin/sh\n[ "$*" = "profiles names" ] && printf "prod\\nlab\\n"\n',
  {
    mode: 0o755,
  },
);
const environment = { PATH: `${join(folder, 'bin')}:${process.env.PATH}`, HOME: folder };

describe.skipIf(!has('bash'))('completion in bash', () => {
  const path = script('bash');
  const completed = (line: string): string[] => {
    const words = line.split(' ');
    const assignments = `COMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${words.length - 1}`;
    const { status, stderr, stdout } = spawnSync(
      'bash',
      [
        '--norc',
        '-c',
        `set -u; source ${path}; ${assignments}; _espalier; printf '%s\\n' "\${COMPREPLY[@]-}"`,
      ],
      { env: environment, encoding: 'utf8', cwd: folder },
    );
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    return stdout.split('\n').filter((word) => word !== '');
  };

  it('offers the commands of the level it is at', () => {
    expect(completed('espalier ten')).toEqual(['tenants']);
    expect(completed('espalier tenants dis')).toEqual(['disable', 'disconnect']);
    expect(completed('espalier instances keys ')).toEqual(['list', 'show', 'create', 'delete']);
    expect(completed('espalier -o json devices ex')).toEqual(['explain', 'export']);
  });

  it('offers options of the command and the global ones', () => {
    expect(completed('espalier tenants disconnect --ret')).toEqual(['--retract']);
    expect(completed('espalier tenants list --pr')).toEqual(['--profile']);
  });

  it('offers the choices of an option and of an argument', () => {
    expect(completed('espalier tenants list -o ')).toEqual(['table', 'json', 'csv', 'yaml']);
    expect(completed('espalier keys create --role o')).toEqual(['operator']);
    expect(completed('espalier completion ')).toEqual(['bash', 'zsh', 'fish']);
  });

  it('offers names of profiles as they are now', () => {
    expect(completed('espalier tenants list --profile ')).toEqual(['prod', 'lab']);
    expect(completed('espalier profiles use l')).toEqual(['lab']);
  });

  it('takes no value for a command', () => {
    expect(completed('espalier --profile tenants dev')).toEqual(['devices']);
    expect(completed('espalier devices list --filter ')).toEqual([]);
  });

  it('offers files where a file is wanted', () => {
    writeFileSync(join(folder, 'routes.csv'), '');
    expect(completed('espalier devices import rou')).toEqual(['routes.csv']);
    expect(completed('espalier tenants list --ca-file rou')).toEqual(['routes.csv']);
  });
});

describe.skipIf(!has('zsh'))('completion in zsh', () => {
  it('offers commands, options, choices and profiles', () => {
    const path = script('zsh');
    // The functions of zsh's completion system that it calls, saying what they were given.
    const system = 'compdef() {}; _describe() { print -l -- "${(P@)2}" }; compadd() { print -l -- "${@:2}" }';
    const completed = (...words: readonly string[]): string => {
      const line = `words=(${words.map((word) => `'${word}'`).join(' ')}); CURRENT=${words.length}`;
      const command = `${system}; source ${path}; ${line}; _espalier`;
      const { status, stderr, stdout } = spawnSync('zsh', ['-f', '-c', command], {
        env: environment,
        encoding: 'utf8',
      });
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
      return stdout;
    };
    expect(completed('espalier', 'tenants', '')).toMatch(/^disconnect:end the connection/m);
    expect(completed('espalier', '-o', 'json', 'instances', 'keys', '')).toMatch(/^create:/m);
    expect(completed('espalier', 'tenants', 'disconnect', '--')).toMatch(/^--retract:/m);
    expect(completed('espalier', 'keys', 'create', '--role', '')).toBe('viewer\noperator\nadmin\n');
    expect(completed('espalier', 'profiles', 'use', '')).toBe('prod\nlab\n');
  });
});

describe.skipIf(!has('fish'))('completion in fish', () => {
  it('offers commands, options and choices', () => {
    const completed = (line: string): string[] => {
      const { stdout } = spawnSync('fish', ['-c', `source ${script('fish')}; complete -C '${line}'`], {
        env: environment,
        encoding: 'utf8',
      });
      return stdout.split('\n').map((found) => found.split('\t')[0] ?? '');
    };
    expect(completed('espalier tenants disc')).toContain('disconnect');
    expect(completed('espalier keys create --role o')).toContain('operator');
    expect(completed('espalier tenants list --profile ')).toContain('lab');
  });
});
