import { registerHooks } from 'node:module';
import { publicStreams } from '../../src/outbound/node-sockets.ts';
import { internalsKnownOf, openInternals as openAll } from '../../src/runtime/lane/node-internals.ts';

/**
 * Preloaded into `espalier serve`, this stands for node-internals.ts with one of its parts left out, so that a bench can
 * say what the part earns.
 */

const part = new URL(import.meta.url).searchParams.get('without');
if (part !== 'read' && part !== 'writer') throw new RangeError('?without says read or writer');

export { internalsKnownOf };
export const openInternals: typeof openAll = () => ({ ...openAll(), [part]: publicStreams[part] });

// This module has the real one already; everybody else gets this one.
registerHooks({
  resolve: (specifier, context, nextResolve) =>
    specifier.endsWith('/lane/node-internals.ts') || specifier === './node-internals.ts'
      ? { url: import.meta.url, shortCircuit: true }
      : nextResolve(specifier, context),
});
