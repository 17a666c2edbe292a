import { readFileSync } from 'node:fs';
import { createConfig, lintFromString } from '@redocly/openapi-core';
import spectral, { type RulesetDefinition } from '@stoplight/spectral-core';
import { oas } from '@stoplight/spectral-rulesets';
import { describe, expect, it } from 'vitest';
import { descriptions } from '../../src/admin/api-docs/descriptions.ts';
import { tags } from '../../src/admin/api-docs/document.ts';
import { examples } from '../../src/admin/api-docs/examples.ts';
import type { Document } from '../../src/admin/api-docs/openapi.ts';
import { schemaRows } from '../../src/admin/api-docs/schema-rows.ts';
import { operationsOf } from '../harness/api-document.ts';

/** docs/openapi.json, which `npm run check` holds equal to the code's, as others will read it. */

const path = new URL('../../docs/openapi.json', import.meta.url);
const source = readFileSync(path, 'utf8');
const document = JSON.parse(source) as Document;
const operations = operationsOf(document);

async function lint(text: string): Promise<string[]> {
  const config = await createConfig({ extends: ['recommended-strict'] });
  const found = await lintFromString({ source: text, absoluteRef: path.href, config });
  return found.map(({ location, message, ruleId }) => `${ruleId}: ${message} at ${location[0]?.pointer}`);
}

/** Every rule that Spectral has for OpenAPI, also those that it does not recommend to everybody. */
const rules: RulesetDefinition = {
  // An empty list, since the package's own type asks for one.
  extends: [[{ ...oas, extends: [] }, 'all']],
  rules: {
    // Nobody reads mail about the API: what is wrong with it is reported as any fault is, at `contact.url`.
    'contact-properties': 'off',
    // The order in which a reader meets them at /api/docs: tenants before what belongs to them.
    'openapi-tags-alphabetical': 'off',
  },
};

async function lintWithSpectral(of: unknown): Promise<string[]> {
  const linter = new spectral.Spectral();
  linter.setRuleset(rules);
  const found = await linter.run(structuredClone(of) as Record<string, unknown>);
  return found.map(({ code, message, path: at }) => `${code}: ${message} at ${at.join('/')}`);
}

describe('docs/openapi.json', () => {
  it('has no fault by the strict rules of a public linter', async () => {
    expect(await lint(source)).toEqual([]);
  });

  it('would not pass it with a fault', async () => {
    const [first] = Object.keys(document.paths);
    const broken = { ...document, paths: { ...document.paths, [first ?? '']: { get: { summary: 'x' } } } };
    expect((await lint(JSON.stringify(broken))).join('\n')).toContain('operationId');
  });

  it('has none by all rules of a second one', async () => {
    expect(await lintWithSpectral(document)).toEqual([]);
  });

  it('would not pass the second one with a parameter that is not described', async () => {
    const paths = { '/x': { get: { parameters: [{ name: 'a', in: 'query', schema: { type: 'string' } }] } } };
    expect((await lintWithSpectral({ ...document, paths })).join('\n')).toContain(
      'oas3-parameter-description',
    );
  });

  it('gives every operation an id of its own, a tag that is described, and a role', () => {
    const ids = operations.map(({ operation }) => operation.operationId);
    expect(new Set(ids).size).toBe(ids.length);
    for (const { name, operation } of operations) {
      expect({
        name,
        tags: operation.tags.filter((tag) => !tags.some((known) => known.name === tag)),
      }).toEqual({
        name,
        tags: [],
      });
      expect(['viewer', 'operator', 'admin']).toContain(operation['x-espalier-role']);
      expect({ name, summary: operation.summary.length > 5 }).toEqual({ name, summary: true });
      const { description = '' } = operation;
      expect({ name, described: description.length > 40 && description !== operation.summary }).toEqual({
        name,
        described: true,
      });
    }
  });

  it('says whom to ask, and has no pattern that JSON Schema reads otherwise than JavaScript', () => {
    expect(document.info).toMatchObject({ contact: { name: 'Espalier' } });
    expect(source).not.toMatch(/"pattern": "[^"]*\\\\p\{/);
  });

  it('has no schema that is made of itself', () => {
    const { schemas } = document.components as { schemas: Record<string, unknown> };
    for (const [name, schema] of Object.entries(schemas)) {
      const { allOf = [] } = schema as { allOf?: { $ref?: string }[] };
      expect({ name, of: allOf.map(({ $ref }) => $ref) }).not.toMatchObject({
        of: expect.arrayContaining([`#/components/schemas/${name}`]),
      });
    }
  });

  it('describes no operation that is not there', () => {
    const ids = new Set(operations.map(({ operation }) => operation.operationId));
    expect(Object.keys(descriptions).filter((id) => !ids.has(id))).toEqual([]);
  });

  it('has an example for every operation that takes a JSON body, and none for one that is not there', () => {
    const taking = operations
      .filter(({ operation }) => operation.requestBody?.content['application/json'] !== undefined)
      .map(({ operation }) => operation.operationId);
    const withBody = Object.keys(examples).filter((id) => examples[id]?.body !== undefined);
    expect([...withBody].sort()).toEqual([...taking].sort());
    const known = new Set(operations.map(({ operation }) => operation.operationId));
    expect(Object.keys(examples).filter((id) => !known.has(id))).toEqual([]);
  });
});

describe('rows of a schema', () => {
  const schemas: Document['components']['schemas'] = {
    Inner: { type: 'object', properties: { id: { type: 'string', format: 'uuid' } }, required: ['id'] },
    Loop: { type: 'object', properties: { next: { $ref: '#/components/schemas/Loop' } } },
  };

  it('name inner fields by their path, and say bounds and defaults', () => {
    const rows = schemaRows(schemas, {
      type: 'object',
      properties: {
        name: { type: 'string', minLength: 1, maxLength: 100, default: 'webhooks' },
        list: { type: 'array', items: { $ref: '#/components/schemas/Inner' } },
        kind: { type: ['string', 'null'] },
      },
      required: ['name'],
    });
    expect(rows.map(({ name, required, type }) => [name, type, required])).toEqual([
      ['name', 'string', true],
      ['list', 'object[]', false],
      ['list[].id', 'uuid', true],
      ['kind', 'string | null', false],
    ]);
    expect(rows[0]?.remarks).toEqual(['1 to 100 characters', 'default webhooks']);
  });

  it('end where a schema contains itself', () => {
    expect(schemaRows(schemas, { $ref: '#/components/schemas/Loop' }).length).toBeLessThan(10);
  });
});
