import { describe, expect, it } from 'vitest';
import { parse as parseYaml } from 'yaml';
import type { Row } from './fields.ts';
import { writeList } from './list.ts';
import type { Format, Output } from './output.ts';

const rows = [
  { id: '1', note: 'plain', report: { state: 'due' }, tags: ['a', 'b'] },
  { id: '2', note: 'a "quoted", line\nand another', report: null, tags: [] },
  { id: '3', note: '  - not: yaml', report: { state: 'held' }, tags: ['c'] },
];

async function written(format: Format, pages: readonly (readonly Row[])[], fields?: readonly string[]) {
  let text = '';
  const output: Output = {
    format,
    terminalWidth: undefined,
    write: async (part) => {
      text += part;
    },
    say: () => undefined,
  };
  async function* all() {
    for (const results of pages) yield { totalCount: rows.length, results };
  }
  await writeList(output, all(), {
    columns: [{ field: 'id' }, { field: 'report.state', title: 'state' }],
    fields,
  });
  return text;
}

describe('a list over pages', () => {
  const pages = [rows.slice(0, 2), rows.slice(2)];

  it('is one JSON answer, as the API would give it in one page', async () => {
    expect(await written('json', pages)).toBe(
      `${JSON.stringify({ totalCount: 3, results: rows }, null, 2)}\n`,
    );
    expect(JSON.parse(await written('json', [[]]))).toEqual({ totalCount: 3, results: [] });
  });

  it('is one YAML document', async () => {
    expect(parseYaml(await written('yaml', pages))).toEqual({ totalCount: 3, results: rows });
  });

  it('has one head in CSV, nested fields by their path', async () => {
    expect(await written('csv', pages, ['id', 'note', 'report.state', 'tags'])).toBe(
      'id,note,report.state,tags\n1,plain,due,"[""a"",""b""]"\n2,"a ""quoted"", line\nand another",,[]\n3,  - not: yaml,held,"[""c""]"\n',
    );
    expect(await written('csv', [[]], ['id', 'note'])).toBe('id,note\n');
  });

  it('has one head as a table', async () => {
    expect(await written('table', pages)).toBe('id  state\n1   due\n2   -\n3   held\n');
  });
});
