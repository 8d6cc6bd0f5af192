// The newest committed records, kept in a bounded piece of memory, so that sinks that keep up need not read the
// journal back from disk. A sink that falls behind reads the journal instead.
import type { JournalBatch } from './journal.ts';
import type { EventRecord } from './record.ts';

export class RecentRecords {
  readonly #maxBytes: number;
  #records: EventRecord[] = [];
  #first = 0;
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** `first` is the journal number of the first record; numbers must go on where they ended. */
  add(records: readonly EventRecord[], first: number): void {
    if (this.#first + this.#records.length !== first) {
      this.#records = [];
      this.#bytes = 0;
      this.#first = first;
    }
    for (const record of records) {
      this.#records.push(record);
      this.#bytes += record.line.length;
    }
    let drop = 0;
    while (this.#bytes > this.#maxBytes && drop < this.#records.length) {
      this.#bytes -= this.#records[drop++]?.line.length ?? 0;
    }
    if (drop > 0) this.#records = this.#records.slice(drop);
    this.#first += drop;
  }

  /** About `maxBytes` from line `from` on; undefined when they are not (or no longer) here. */
  read(from: number, maxBytes: number): JournalBatch | undefined {
    const start = from - this.#first;
    if (start < 0 || start >= this.#records.length) return undefined;
    const records: EventRecord[] = [];
    let bytes = 0;
    for (let at = start; at < this.#records.length && bytes < maxBytes; at++) {
      const record = this.#records[at];
      if (record === undefined) break;
      records.push(record);
      bytes += record.line.length;
    }
    return { records, end: from + records.length };
  }
}
