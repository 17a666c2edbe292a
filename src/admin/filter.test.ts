import { PgDialect } from 'drizzle-orm/pg-core';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ProblemError } from '../problems.ts';
import { reports, routes } from '../store/schema.ts';
import { comparisonOperators, readFilter, requireFilter } from './filter.ts';
import type { FilterFields } from './filter-fields.ts';
import { conditionSql } from './filter-sql.ts';

const id = '3f2504e0-4f89-41d3-9a0c-0305e82c3301';
const fields: FilterFields = {
  tenantId: { type: 'uuid', column: reports.tenantId },
  state: {
    type: 'enum',
    column: reports.state,
    values: ['due', 'failed'],
    present: { failed: reports.failedAt },
  },
  reason: { type: 'text', column: reports.reason, wildcards: true },
  serialNumber: { type: 'text', column: routes.serialNumber },
  updatedAt: { type: 'timestamp', column: reports.updatedAt },
  pinned: { type: 'boolean', column: routes.pinned },
};

interface Rendered {
  readonly text: string;
  readonly parameters: readonly unknown[];
}

const dialect = new PgDialect();

/** The text with `$` for each parameter. */
const sqlOf = (text: string): Rendered => {
  const { params, sql } = dialect.sqlToQuery(conditionSql(requireFilter(text, fields)));
  return { text: sql.replaceAll(/\$\d+/g, '$'), parameters: params };
};
const faultsOf = (text: string): string[] => {
  const result = readFilter(text, fields);
  return result.ok ? [] : result.errors.map((error) => `${error.field} ${error.code} ${error.description}`);
};

describe('what a filter becomes', () => {
  test.each([
    [`tenantId==${id.toUpperCase()}`, '"reports"."tenant_id" = $::uuid', [id]],
    ['state==due', '"reports"."state" = $', ['due']],
    ['state==failed', '("reports"."state" = $ and "reports"."failed_at" is not null)', ['failed']],
    ['state=in=(due,failed)', '"reports"."state" = any($::text[])', ['{"due","failed"}']],
    ['state=in=due', '"reports"."state" = any($::text[])', ['{"due"}']],
    [`tenantId=out=(${id})`, '("reports"."tenant_id" = any($::uuid[])) is not true', [`{"${id}"}`]],
    ['reason!=throttled', '("reports"."reason" = $) is not true', ['throttled']],
    ['reason==not-*', '"reports"."reason" like $', ['not-%']],
    ['reason=="100%_\\\\*"', '"reports"."reason" like $', ['100\\%\\_\\\\%']],
    ["serialNumber=='it''s'", undefined, undefined],
    ['serialNumber=="a b"', '"routes"."serial_number" = $', ['a b']],
    ['updatedAt=ge=2026-11-23', '"reports"."updated_at" >= $::timestamptz', ['2026-11-23T00:00:00.000Z']],
    [
      'updatedAt<2026-11-23T08:15:00+02:00',
      '"reports"."updated_at" < $::timestamptz',
      ['2026-11-23T06:15:00.000Z'],
    ],
    ['pinned!=true', '("routes"."pinned" = $) is not true', [true]],
    [
      'state==due;(reason==a,reason==b)',
      '("reports"."state" = $ and ("reports"."reason" = $ or "reports"."reason" = $))',
      ['due', 'a', 'b'],
    ],
    [
      'reason==a or reason==b and state==due',
      '("reports"."reason" = $ or ("reports"."reason" = $ and "reports"."state" = $))',
      ['a', 'b', 'due'],
    ],
  ])('%s', (filter, text, parameters) => {
    if (text === undefined) expect(faultsOf(filter)).toHaveLength(1);
    else expect(sqlOf(filter)).toEqual({ text, parameters });
  });
});

describe('faults name the field and what would do', () => {
  test.each([
    ['colour==red', "UNKNOWN_FIELD 'colour' is not a field; fields: tenantId, state"],
    ['constructor==x', "UNKNOWN_FIELD 'constructor'"],
    ['__proto__==x', "UNKNOWN_FIELD '__proto__'"],
    ['state>due', "INVALID_OPERATOR state: '>' does not fit this field; operators: == != =in= =out="],
    ['pinned=in=(true)', 'INVALID_OPERATOR pinned'],
    ['state=like=due', "INVALID_OPERATOR state: '=like='"],
    ['state=constructor=due', 'INVALID_OPERATOR state'],
    ['state==gone', "INVALID_VALUE state: 'gone' must be one of due, failed."],
    ['state==du*', 'INVALID_VALUE state'],
    ['state==(due,failed)', 'INVALID_VALUE state: == takes one value'],
    ['tenantId==berlin', "INVALID_VALUE tenantId: 'berlin' must be a GUID."],
    ['pinned==yes', 'INVALID_VALUE pinned'],
    ['serialNumber==C0*', 'INVALID_VALUE serialNumber'],
    ['reason=in=(a*)', 'INVALID_VALUE reason'],
    ['reason==a\0', 'INVALID_VALUE reason'],
    ['updatedAt>yesterday', 'INVALID_VALUE updatedAt'],
    ['updatedAt>2026-02-30', 'INVALID_VALUE updatedAt'],
    ['updatedAt>2026-02-03T10:00:00', 'INVALID_VALUE updatedAt'],
    ['updatedAt>0000-01-01', 'INVALID_VALUE updatedAt'],
    ['', 'INVALID_FILTER_SYNTAX at position 1: Unexpected end.'],
    ['state==', 'INVALID_FILTER_SYNTAX at position 8: Unexpected end.'],
    ['state==due state==due', "INVALID_FILTER_SYNTAX at position 12: Unexpected string 'state'."],
    ['(state==due', 'INVALID_FILTER_SYNTAX at position 12: Unexpected end.'],
    ['state=="due', "INVALID_FILTER_SYNTAX at position 8: Unclosed quote '\"'."],
    ['*', 'INVALID_FILTER_SYNTAX'],
  ])('%j', (filter, fault) => {
    expect(faultsOf(filter)[0]).toContain(`filter ${fault}`);
  });

  test('too long, or too many comparisons', () => {
    expect(faultsOf('a"'.repeat(1_001))[0]).toContain('filter FILTER_TOO_LONG has 2002 characters');
    const many = Array(51).fill('pinned==true').join();
    expect(faultsOf(many)[0]).toContain('filter FILTER_TOO_LONG has 51 comparisons');
  });

  test('every comparison at fault, in the order of the filter', () => {
    expect(faultsOf('colour==red;state==gone,tenantId==x').map((text) => text.split(' ')[1])).toEqual([
      'UNKNOWN_FIELD',
      'INVALID_VALUE',
      'INVALID_VALUE',
    ]);
  });

  test('as many comparisons and parentheses as there may be', () => {
    expect(sqlOf(Array(50).fill('reason==a').join(';')).parameters).toHaveLength(50);
    expect(sqlOf(`${'('.repeat(900)}reason==a${')'.repeat(900)}`).parameters).toEqual(['a']);
  });
});

describe('whatever comes', () => {
  const word = fc.oneof(
    fc.constantFrom(...Object.keys(fields), 'colour', 'constructor', id, 'due', 'true', '2026-11-23', 'a*'),
    fc.string({ maxLength: 12 }),
    fc.string({ maxLength: 12 }).map((text) => JSON.stringify(text)),
  );
  const operator = fc.constantFrom(
    ...comparisonOperators,
    '=gt=',
    '=le=',
    '=foo=',
    ';',
    ',',
    ' and ',
    '(',
    ')',
  );
  const filter = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 60 }),
    fc.array(fc.oneof(word, operator), { maxLength: 20 }).map((parts) => parts.join('')),
    fc
      .array(fc.tuple(fc.constantFrom(...Object.keys(fields)), operator, word), {
        minLength: 1,
        maxLength: 6,
      })
      .map((parts) => parts.map((part) => part.join('')).join(';')),
  );

  test('is a condition or faults of the filter, and nothing else is thrown than a problem', () => {
    fc.assert(
      fc.property(filter, (text) => {
        const result = readFilter(text, fields);
        if (result.ok) return;
        expect(result.errors.length).toBeGreaterThan(0);
        for (const error of result.errors) expect(error.field).toBe('filter');
        expect(() => requireFilter(text, fields)).toThrow(ProblemError);
      }),
      { numRuns: 2_000 },
    );
  });

  test('never stands in the SQL: values are parameters', () => {
    // Fragments that the code itself can write; anything else in the text came from the request.
    const own =
      /^(?:\(|\)| and | or |"(?:reports|routes)"\."[a-z_]+"| = | like | is not null| is not true|\$|::uuid|::timestamptz|any\(|\[\]|::text| >=? | <=? )*$/;
    const value = fc
      .string({ unit: 'binary', minLength: 1, maxLength: 30 })
      .filter((text) => !/[\0"\\]/.test(text));
    fc.assert(
      fc.property(fc.array(value, { minLength: 1, maxLength: 5 }), fc.boolean(), (texts, wild) => {
        const filters = texts.map((text) =>
          wild ? `reason=="${text}*"` : `serialNumber=="${text.replaceAll('*', '')}"`,
        );
        const { text, parameters } = sqlOf(filters.join(','));
        expect(text).toMatch(own);
        expect(parameters).toHaveLength(texts.length);
      }),
      { numRuns: 1_000 },
    );
  });
});
