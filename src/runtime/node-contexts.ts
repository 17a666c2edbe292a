/** OpenTelemetry's context on `AsyncLocalStorage`, which Node and Workers have: it travels with whatever a work awaits. */

import { AsyncLocalStorage } from 'node:async_hooks';
import { type Context, type ContextManager, ROOT_CONTEXT } from '@opentelemetry/api';

export function createContextManager(): ContextManager {
  const contexts = new AsyncLocalStorage<Context>();
  const manager: ContextManager = {
    active: () => contexts.getStore() ?? ROOT_CONTEXT,
    with: (inContext, work, self, ...given) =>
      contexts.run(inContext, () => work.apply(self as never, given)),
    bind: (inContext, target) =>
      typeof target === 'function'
        ? (((...given: unknown[]) => contexts.run(inContext, () => target(...given))) as typeof target)
        : target,
    enable: () => manager,
    disable: () => manager,
  };
  return manager;
}
