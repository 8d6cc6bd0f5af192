// A sink in memory for tests of the pipeline: it can be told to fail, to refuse events, to hang, or to write a part
// and fail then. It passes over what it has, as the contract demands.
import { GatehouseError, type ErrorOptions } from '#core/errors/error.ts';
import type { Code } from '#core/errors/codes.ts';
import type { ChainHead, EventRecord } from '../record.ts';
import type { Sink } from '../sink.ts';

export class FakeSink implements Sink {
  readonly name: string;
  readonly records: EventRecord[] = [];
  closed = false;
  appends = 0;
  /** What the next appends do, one entry for each; then they work. */
  script: ('ok' | 'part' | 'hang' | Code)[] = [];
  /** Events that are refused for good. */
  refuses: (record: EventRecord) => boolean = () => false;
  #waiting: { count: number; resolve: () => void }[] = [];

  constructor(name = 'fake') {
    this.name = name;
  }

  get seqs(): number[] {
    return this.records.map(({ seq }) => seq);
  }

  append(records: readonly EventRecord[]): Promise<void> {
    this.appends++;
    const step = this.script.shift() ?? 'ok';
    if (step === 'hang') return new Promise(() => undefined);
    if (step === 'part') {
      this.#keep(records.slice(0, records.length >> 1));
      return Promise.reject(failure('UNAVAILABLE'));
    }
    if (step !== 'ok') return Promise.reject(failure(step));
    if (records.some(this.refuses)) return Promise.reject(failure('TOO_LARGE'));
    this.#keep(records);
    return Promise.resolve();
  }

  #keep(records: readonly EventRecord[]): void {
    for (const record of records) {
      const newest = this.records.findLast(({ writer }) => writer === record.writer)?.seq ?? 0;
      if (record.seq > newest) this.records.push(record);
    }
    for (const { count, resolve } of this.#waiting) if (this.records.length >= count) resolve();
  }

  /** Resolves once the sink has at least `count` events. */
  has(count: number): Promise<void> {
    if (this.records.length >= count) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push({ count, resolve }));
  }

  last(writer: string): Promise<ChainHead | undefined> {
    return Promise.resolve(this.records.findLast((record) => record.writer === writer));
  }

  close(): Promise<void> {
    this.closed = true;
    return Promise.resolve();
  }
}

function failure(code: Code, options: ErrorOptions = {}): GatehouseError {
  return new GatehouseError(code, `the fake sink was told to fail with ${code}`, options);
}
