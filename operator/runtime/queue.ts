// Keys that want work: each at most once in the line and never twice at once, with a back-off that grows while its work
// fails. Apart from run.ts because these rules are tested without an API server.
import { backoffMs } from '#client/member/backoff.ts';
import type { Clock, Timer } from '#core/clock.ts';
import type { ObjectKey } from '../kube/kube.ts';
import { keyText } from '../kube/object-types.ts';

export interface QueueOptions {
  readonly clock: Clock;
  /** How many keys at once. */
  readonly concurrency: number;
  /** How many of them of one namespace, so that work that hangs there leaves room for the others; default: all. */
  readonly perNamespace?: number | undefined;
  /** Does the work of a key; resolves with the milliseconds after which to do it again without a reason, or rejects. */
  work(key: ObjectKey): Promise<number | undefined>;
  /** Told of each rejection, with the milliseconds until the next try. */
  onFailure(key: ObjectKey, error: unknown, retryMs: number): void;
}

export interface Queue {
  /** Its work is done soon; once more when it is being done at present. */
  add(key: ObjectKey): void;
  /** Keys that wait for their turn. */
  waiting(): number;
  /** Keys whose work is being done. */
  running(): number;
  /** Keys whose last work failed. */
  failing(): number;
  /** Nothing is begun any more; resolves when what was begun has ended. */
  close(): Promise<void>;
}

interface Entry {
  readonly key: ObjectKey;
  state: 'resting' | 'waiting' | 'running' | 'running-then-again';
  failures: number;
  timer?: Timer | undefined;
}

export const BACKOFF = { firstMs: 200, maxMs: 5 * 60_000 };

export function openQueue(options: QueueOptions): Queue {
  return new WorkQueue(options);
}

class WorkQueue implements Queue {
  readonly #options: QueueOptions;
  readonly #entries = new Map<string, Entry>();
  readonly #line: Entry[] = [];
  readonly #busy = new Map<string, number>();
  #running = 0;
  #isClosed = false;
  #idle: (() => void) | undefined;

  constructor(options: QueueOptions) {
    this.#options = options;
  }

  add(key: ObjectKey): void {
    if (this.#isClosed) return;
    const text = keyText(key);
    const entry = this.#entries.get(text) ?? { key, state: 'resting', failures: 0 };
    this.#entries.set(text, entry);
    entry.timer?.cancel();
    entry.timer = undefined;
    if (entry.state === 'running') entry.state = 'running-then-again';
    if (entry.state !== 'resting') return;
    entry.state = 'waiting';
    this.#line.push(entry);
    this.#begin();
  }

  waiting(): number {
    return this.#line.length;
  }

  running(): number {
    return this.#running;
  }

  failing(): number {
    return [...this.#entries.values()].filter((entry) => entry.failures > 0).length;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#line.length = 0;
    for (const entry of this.#entries.values()) entry.timer?.cancel();
    if (this.#running > 0) await new Promise<void>((resolve) => (this.#idle = resolve));
  }

  #begin(): void {
    while (this.#running < this.#options.concurrency) {
      const entry = this.#next();
      if (entry === undefined) return;
      entry.state = 'running';
      this.#count(entry, 1);
      void this.#run(entry);
    }
  }

  /** The first in the line whose namespace has room. */
  #next(): Entry | undefined {
    const { concurrency, perNamespace = concurrency } = this.#options;
    const hasRoom = ({ key }: Entry): boolean => (this.#busy.get(key.namespace ?? '') ?? 0) < perNamespace;
    const index = this.#line.findIndex(hasRoom);
    return index === -1 ? undefined : this.#line.splice(index, 1)[0];
  }

  #count({ key: { namespace = '' } }: Entry, change: 1 | -1): void {
    this.#running += change;
    const busy = (this.#busy.get(namespace) ?? 0) + change;
    if (busy === 0) this.#busy.delete(namespace);
    else this.#busy.set(namespace, busy);
  }

  async #run(entry: Entry): Promise<void> {
    const { work, onFailure } = this.#options;
    let laterMs: number | undefined;
    try {
      laterMs = await work(entry.key);
      entry.failures = 0;
    } catch (error) {
      entry.failures += 1;
      laterMs = backoffMs(BACKOFF, entry.failures);
      if (!this.#isClosed) onFailure(entry.key, error, laterMs);
    }
    this.#count(entry, -1);
    this.#ended(entry, laterMs);
    this.#begin();
    if (this.#running === 0) this.#idle?.();
  }

  #ended(entry: Entry, laterMs: number | undefined): void {
    const wantsMore = entry.state === 'running-then-again';
    entry.state = 'resting';
    if (this.#isClosed) return;
    if (wantsMore && entry.failures === 0) this.add(entry.key);
    else if (laterMs !== undefined) {
      // A change that came while it failed does not cut the back-off short: it may be its own write.
      entry.timer = this.#options.clock.after(laterMs, () => this.add(entry.key));
    } else this.#entries.delete(keyText(entry.key));
  }
}
