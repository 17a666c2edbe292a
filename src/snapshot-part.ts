/**
 * What the sealed snapshot in the data directory is made of (docs/snapshot.md). A part belongs to whoever holds the data in
 * memory: it gives them as records while the process works, and takes them back at a start without the database. How they
 * are sealed, written and found to be whole is no matter of a part (runtime/node-snapshot/).
 */

/**
 * Records that are written together, and written again only when `stamp` is another than at the last write. Small data are
 * one segment; what is large is cut so that a change rewrites little.
 */
export interface SnapshotSegment {
  /** Unique in its part. */
  readonly name: string;
  /**
   * Changes with every change of what `records` would give; undefined: written every time. It is compared within this
   * process only and read before the records, so that a change meanwhile is in the next write.
   */
  readonly stamp: string | undefined;
  /**
   * The writer takes one record at a time and lets the event loop go round in between, so a record holds one state of its
   * data, and what has to agree across records is copied when the first one is asked for.
   */
  records(): Iterable<Uint8Array>;
}

export interface SnapshotPart {
  /** Lower case and `-`; part of the seal. */
  readonly name: string;
  /** Form of the records; a snapshot with another version of any part is refused as a whole. */
  readonly version: number;
  /** No token and no session is ever in a record; secrets are as they are sealed in the database. */
  segments(): Iterable<SnapshotSegment>;
  restore(): PartRestore;
}

/** Takes the records of one load. Nothing of them may be served before `finish`: what comes behind them may be cut. */
export interface PartRestore {
  /** Records of a segment come in their order, one segment after the other. Throws when it cannot be read. */
  take(record: Uint8Array): void;
  /** The whole snapshot is good. `ageMs`: time since its data were last known to be current. */
  finish(ageMs: number): void;
}

export interface JsonPartOptions<Row> {
  readonly name: string;
  readonly version: number;
  /** Rows that JSON holds as they are: no Date, no undefined that matters. */
  readonly rows: () => Iterable<Row>;
  readonly stamp?: () => string;
  readonly restored: (rows: readonly Row[], ageMs: number) => void;
}

/** A part of some thousand rows, each one record of JSON. */
export function jsonPart<Row>({ name, restored, rows, stamp, version }: JsonPartOptions<Row>): SnapshotPart {
  function* records(): Iterable<Uint8Array> {
    const text = new TextEncoder();
    // A copy: the collection may change while its rows are being written.
    for (const row of [...rows()]) yield text.encode(JSON.stringify(row));
  }
  return {
    name,
    version,
    segments: () => [{ name: 'rows', stamp: stamp?.(), records }],
    restore: () => {
      const taken: Row[] = [];
      const text = new TextDecoder();
      return {
        take: (record) => {
          taken.push(JSON.parse(text.decode(record)) as Row);
        },
        finish: (ageMs) => restored(taken, ageMs),
      };
    },
  };
}
