/**
 * Remembers the answers of a pure function to the newest `capacity` texts that it was asked about. With thousands of
 * requests a second for the same few tokens, what cannot change must not be computed for each.
 */
export function remembered<T>(capacity: number, find: (text: string) => T): (text: string) => T {
  const answers = new Map<string, T>();
  return (text) => {
    if (answers.has(text)) return answers.get(text) as T;
    const found = find(text);
    // A Map gives its keys in the order in which they came.
    const [oldest] = answers.size >= capacity ? answers.keys() : [];
    if (oldest !== undefined) answers.delete(oldest);
    answers.set(text, found);
    return found;
  };
}
