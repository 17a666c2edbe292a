/** Failure that ends the demo, in words for the person who started it. */
export class DemoFailure extends Error {
  override readonly name = 'DemoFailure';
}
