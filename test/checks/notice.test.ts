/** NOTICE names what others made and the repository or its packages carry, with where it is from and its licence. */

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '../..');
const read = (file: string): string => readFileSync(join(root, file), 'utf8');
const notice = read('NOTICE');
const manifest = JSON.parse(read('package.json')) as {
  bundleDependencies: readonly string[];
  dependencies: Readonly<Record<string, string>>;
  files: readonly string[];
};

/** The paragraph about a file or package. */
const entryOf = (name: string): string =>
  notice.split('\n\n').find((paragraph) => paragraph.startsWith(name)) ?? '';

describe('NOTICE', () => {
  it('names each file of test vectors, with source and licence', () => {
    const vectors = readdirSync(join(root, 'test/vectors'));
    expect(vectors.length).toBeGreaterThan(0);
    for (const file of vectors) {
      const { source } = JSON.parse(read(`test/vectors/${file}`)) as { source: string };
      const [origin] = source.split(',');
      expect(entryOf(`test/vectors/${file}`), file).toContain(`Source: Project Wycheproof, ${origin}`);
      expect(source, file).toContain('Apache License 2.0');
      expect(entryOf(`test/vectors/${file}`), file).toContain('Licence: Apache License 2.0');
    }
  });

  it('names each bundled package with the licence and version that it has', () => {
    for (const name of manifest.bundleDependencies) {
      const { license, version } = JSON.parse(read(`node_modules/${name}/package.json`)) as {
        license: string;
        version: string;
      };
      const entry = entryOf(`node_modules/${name}`);
      expect(entry).toContain(`${name} ${version}`);
      expect(entry).toContain(`Licence: ${license}`);
      expect(entry).toContain(`patches/${name}+${version}.patch`);
    }
  });

  it('is in the npm package and in the image', () => {
    expect(manifest.files).toContain('NOTICE');
    expect(read('Dockerfile')).toMatch(/^COPY package\.json LICENSE NOTICE \.\/$/m);
    expect(read('.dockerignore')).toMatch(/^!NOTICE$/m);
  });
});
