#!/usr/bin/env node

/**
 * The entry of the command line. It imports nothing by itself, so that a Node.js that is too old for the rest still reads
 * it and can say so in one line.
 */

/** The oldest that `engines` in package.json names; a test holds them together. A newer major than is tested may run. */
const oldestNode = 24;

const { node } = process.versions;
if (Number.parseInt(node, 10) < oldestNode) {
  process.stderr.write(
    `espalier: Node.js ${oldestNode} or 26 is needed, and this is ${node}: https://nodejs.org/en/download\n`,
  );
  process.exit(1);
}
const { runProgram } = await import('./run.ts');
await runProgram();

export {};
