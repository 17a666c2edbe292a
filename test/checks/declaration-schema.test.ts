import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv } from 'ajv';
import formats from 'ajv-formats';
import { describe, expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { runCommand } from '../harness/run-espalier.ts';

/** What `espalier schema` prints takes every declaration that the documentation shows. */

const docs = join(import.meta.dirname, '../../docs');

/** Texts that begin with the version, in a block of YAML or typed into a file by a shell. */
const examples = readdirSync(docs)
  .filter((name) => name.endsWith('.md'))
  .flatMap((name) =>
    [
      ...readFileSync(join(docs, name), 'utf8').matchAll(
        /^(?:#.*\n)?apiVersion: [\s\S]*?(?=^(?:```|EOF)$)/gm,
      ),
    ].map(([text], index) => [`docs/${name}, number ${index + 1}`, text] as const),
  );

describe('espalier schema', async () => {
  const { code, stderr, stdout } = await runCommand(['schema']);
  const ajv = new Ajv({ allErrors: true });
  formats.default(ajv);

  it('prints a schema that a validator compiles, and nothing else', () => {
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(JSON.parse(stdout)).toMatchObject({ $schema: 'http://json-schema.org/draft-07/schema#' });
  });

  it('is about examples that are there', () => {
    expect(examples.length).toBeGreaterThan(2);
    expect(readFileSync(join(docs, 'declarative.md'), 'utf8')).toContain(
      '# yaml-language-server: $schema=espalier.schema.json',
    );
  });

  it.each(examples)('takes the declaration of %s', (_where, text) => {
    const check = ajv.compile(JSON.parse(stdout) as object);
    for (const document of parseAllDocuments(text, { merge: true })) {
      check((document as { toJS: () => unknown }).toJS());
      expect(check.errors ?? []).toEqual([]);
    }
  });
});
