/** The part of the platform's module that is used; its whole types are at odds with those of the DOM. */
declare module 'cloudflare:workers' {
  export abstract class DurableObject<Bindings> {
    protected readonly ctx: import('./deliverer.ts').ObjectContext;
    protected readonly env: Bindings;
    constructor(ctx: import('./deliverer.ts').ObjectContext, env: Bindings);
  }
}
