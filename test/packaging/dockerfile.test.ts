/** The Dockerfile as an editor's language service reads it, and what the last stage, which is shipped, must be. */

import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { describe, expect, inject, it } from 'vitest';

const root = join(import.meta.dirname, '../..');
const text = readFileSync(join(root, 'Dockerfile'), 'utf8');
/** Instructions, a line each, without comments. */
const instructions = text
  .replace(/^\s*#.*\n/gm, '')
  .replace(/\\\n/g, ' ')
  .split('\n')
  .map((line) => line.replace(/\s+/g, ' ').trim())
  .filter(Boolean);
const stages = instructions.reduce<string[][]>((found, line) => {
  if (line.startsWith('FROM ')) found.push([]);
  found.at(-1)?.push(line);
  return found;
}, []);
const last = stages.at(-1) ?? [];
const of = (name: string): string[] => last.filter((line) => line.startsWith(`${name} `));

describe('the Dockerfile', () => {
  it('has nothing that a linter finds', () => {
    const { validate } = createRequire(join(inject('tools'), 'tools.js'))('dockerfile-utils') as {
      validate(content: string): readonly { readonly message: string }[];
    };
    expect(validate(text)).toEqual([]);
    expect(validate(text.replace('USER 1000:1000', 'USR 1000:1000'))).toHaveLength(1);
  });

  it('copies files that are there and that the build is given', () => {
    const given = readFileSync(join(root, '.dockerignore'), 'utf8')
      .split('\n')
      .filter((line) => line.startsWith('!'))
      .map((line) => line.slice(1));
    const sources = instructions
      .filter((line) => line.startsWith('COPY ') && !line.includes('--from='))
      .flatMap((line) => line.split(' ').slice(1, -1));
    expect(sources.length).toBeGreaterThan(8);
    for (const source of sources) {
      expect(existsSync(join(root, source)), source).toBe(true);
      expect(
        given.some((one) => source === one || source.startsWith(`${one}/`)),
        source,
      ).toBe(true);
    }
  });

  it('ships a user that is not root, by number, and nothing that installs', () => {
    expect(last[0]).toBe('FROM debian:bookworm-slim');
    expect(of('USER')).toEqual(['USER 1000:1000']);
    expect(last.join('\n')).not.toMatch(/\b(npm|yarn|apt|apt-get|curl|wget) /);
    // What comes from other stages is a program, packages, their list and our code.
    expect(of('COPY').filter((line) => line.includes('--from='))).toHaveLength(4);
  });

  it('is ended by SIGTERM, which no shell keeps, and says how it is', () => {
    expect(of('STOPSIGNAL')).toEqual(['STOPSIGNAL SIGTERM']);
    for (const line of [...of('ENTRYPOINT'), ...of('CMD')])
      expect(JSON.parse(line.slice(line.indexOf('[')))).toBeInstanceOf(Array);
    expect(of('HEALTHCHECK')[0]).toContain("fetch('http://127.0.0.1:9464/health/live')");
  });
});
