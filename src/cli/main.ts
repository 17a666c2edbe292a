#!/usr/bin/env node

/**
 * The entry of the command line. It imports nothing by itself, so that a Node.js that is too old for the rest still reads
 * it and can say so in one line.
 */

/** As `engines` in package.json says; a test holds them together. */
const oldestNode = 24;

const { node } = process.versions;
if (Number.parseInt(node, 10) < oldestNode) {
  process.stderr.write(
    `espalier: Node.js ${oldestNode} or newer is needed, and this is ${node}: https://nodejs.org/en/download\n`,
  );
  process.exit(1);
}
const { runProgram } = await import('./run.ts');
await runProgram();

export {};
