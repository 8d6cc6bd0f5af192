// What a conformance case is given, and the few steps that cases share. A case knows the contract and nothing of the
// backend: no timing, no process, no order between watches.
import type { Backend, Item, Revision, WatchBatch, WatchEvent } from '../backend.ts';
import type { FakeClock } from '#test/kit/clock.ts';
import { letOthersWork } from '#test/kit/until.ts';

export interface Setting {
  readonly backend: Backend;
  readonly clock: FakeClock;
  /** Closes the store and opens it again on the same data. Only for cases that need `reopen`. */
  readonly reopen: () => Promise<Backend>;
}

export interface Case {
  readonly name: string;
  /** The case runs on a store that was opened with a short history, or one that can be opened again. */
  readonly needs?: 'openShort' | 'reopen';
  run(setting: Setting): Promise<void>;
}

export function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

export function text(value: Uint8Array | undefined): string | undefined {
  return value && new TextDecoder().decode(value);
}

export function item(key: string, value = key, expires?: number): Item {
  return { key, value: bytes(value), expires };
}

/** All items under a prefix as "key=value", read in pages of `limit`. */
export async function contents(backend: Backend, prefix = '', limit = 1000): Promise<string[]> {
  const found: string[] = [];
  let after: string | undefined;
  do {
    const page = await backend.range({ prefix, after, limit });
    for (const { key, value } of page.items) found.push(`${key}=${text(value)}`);
    after = page.next;
  } while (after !== undefined);
  return found;
}

/** Batches of a watch until `enough` says so; the clock moves meanwhile, for stores that poll. */
export async function watchUntil(
  { backend, clock }: Pick<Setting, 'backend' | 'clock'>,
  query: { readonly from: Revision; readonly prefixes?: readonly string[] },
  enough: (batches: readonly WatchBatch[]) => boolean,
): Promise<WatchBatch[]> {
  const abort = new AbortController();
  const batches: WatchBatch[] = [];
  const ticking = tick(clock, abort.signal);
  try {
    for await (const batch of backend.watch({ prefixes: [''], ...query, signal: abort.signal })) {
      batches.push(batch);
      if (enough(batches)) break;
    }
  } finally {
    abort.abort();
    await ticking;
  }
  return batches;
}

async function tick(clock: FakeClock, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await clock.advance(100);
    await letOthersWork();
  }
}

/** The batches with events, up to the one that tells of `revision` or a later one. */
export async function changesUntil(
  setting: Pick<Setting, 'backend' | 'clock'>,
  query: { readonly from: Revision; readonly prefixes?: readonly string[] },
  revision: Revision,
): Promise<WatchBatch[]> {
  const batches = await watchUntil(setting, query, (all) => Number(all.at(-1)?.revision) >= Number(revision));
  return batches.filter((batch) => batch.events.length > 0);
}

/** An event as "key=value" or "-key". */
export function brief(event: WatchEvent): string {
  return event.type === 'put' ? `${event.item.key}=${text(event.item.value)}` : `-${event.key}`;
}

export function briefs(batches: readonly WatchBatch[]): string[] {
  return batches.flatMap((batch) => batch.events.map(brief));
}
