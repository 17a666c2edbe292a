/** Records in which one member has another form than expected, made from what a reader reads. */

/** The paths, dotted, of every member that `read` looks at, found by watching it read. */
export function readPaths(record: object, read: (watched: unknown) => unknown): readonly string[] {
  const seen = new Set<string>();
  const watch = (value: object, path: string): object =>
    new Proxy(value, {
      get: (target, name, receiver) => {
        const member: unknown = Reflect.get(target, name, receiver);
        if (typeof name === 'symbol' || !Object.hasOwn(target, name) || name === 'length') return member;
        const own = path === '' ? name : `${path}.${name}`;
        seen.add(own);
        return typeof member === 'object' && member !== null ? watch(member, own) : member;
      },
    });
  read(watch(record, ''));
  return [...seen].sort();
}

/** `undefined` stands for absence. */
export const oddForms: readonly (readonly [name: string, value: unknown])[] = [
  ['null', null],
  ['absent', undefined],
  ['empty', ''],
  ['blank', ' \u0000\n'],
  ['text', 'odd'],
  ['number', 7.5],
  ['negative', -12],
  ['true', true],
  ['false', false],
  ['object', { odd: 'odd' }],
  ['empty object', {}],
  ['list', ['odd']],
  ['empty list', []],
  ['huge text', 'x'.repeat(200_000)],
  ['huge number', 1e300],
  ['huge list', Array.from({ length: 5_000 }, () => 'x')],
  ['deep', { a: { b: { c: { d: [[[[{}]]]] } } } }],
];

/** The record with one member in this form. */
export function variantOf<Value extends object>(record: Value, path: string, value: unknown): Value {
  const names = path.split('.');
  const last = names.pop() ?? '';
  let holder = record as Record<string, unknown>;
  for (const name of names) holder = holder[name] as Record<string, unknown>;
  if (value === undefined && !Array.isArray(holder)) delete holder[last];
  else holder[last] = value;
  return record;
}
