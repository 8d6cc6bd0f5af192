// What a search learned of the blocks it read: their times, types and users. Later searches pass over blocks that
// cannot answer. Kept in memory only: an index on disk could be forged to hide events, this one cannot.
import type { BlockMap, Span } from '../blocks.ts';

const BLOOM_WORDS = 32;
/** Smaller blocks are quicker to read again than worth remembering. */
const MIN_BYTES = 64 * 1024;
/** About 400 bytes each: 16 MiB for a log of 10 GiB. */
const MAX_BLOCKS = 40_000;
const MEMBER = /"(event|time|user)":("(?:[^"\\]|\\.)*")/g;

export interface Facts {
  readonly minTime: number;
  readonly maxTime: number;
  /** JSON text of each type, in Latin-1 bytes. */
  readonly types: ReadonlySet<string>;
  readonly users: Uint32Array;
}

export interface KnownBlock extends Span {
  readonly facts: Facts;
}

/** Facts of a block given as Latin-1 text. They may claim too much (nested fields), never too little. */
export function factsOf(text: string): Facts {
  let minTime = Infinity;
  let maxTime = -Infinity;
  const types = new Set<string>();
  const users = new Set<string>();
  for (const [, name, value = ''] of text.matchAll(MEMBER)) {
    if (name === 'event') types.add(value);
    else if (name === 'user') users.add(value);
    else {
      const time = Date.parse(value.slice(1, -1));
      if (time < minTime) minTime = time;
      if (time > maxTime) maxTime = time;
    }
  }
  const bloom = new Uint32Array(BLOOM_WORDS);
  for (const user of users) {
    for (const bit of bloomBits(user)) bloom[bit >>> 5] = (bloom[bit >>> 5] ?? 0) | (1 << (bit & 31));
  }
  return { minTime, maxTime, types, users: bloom };
}

export function mayHoldUser(facts: Facts, user: string): boolean {
  return bloomBits(user).every((bit) => ((facts.users[bit >>> 5] ?? 0) & (1 << (bit & 31))) !== 0);
}

/** Three of 1,024 bits, from an FNV-1a hash; speed matters here, strength does not. */
function bloomBits(text: string): readonly [number, number, number] {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  hash ^= hash >>> 15;
  return [hash & 1023, (hash >>> 10) & 1023, (hash >>> 20) & 1023];
}

/** Known blocks of one file, in order. */
export class FileBlocks implements BlockMap {
  readonly #blocks: KnownBlock[] = [];

  get size(): number {
    return this.#blocks.length;
  }

  /** Number of known blocks that start before `position`. */
  #before(position: number): number {
    let low = 0;
    let high = this.#blocks.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#blocks[middle]?.start ?? Infinity) < position) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  startingAt(position: number): KnownBlock | undefined {
    const block = this.#blocks[this.#before(position)];
    return block?.start === position ? block : undefined;
  }

  endingAt(position: number): KnownBlock | undefined {
    const block = this.#blocks[this.#before(position) - 1];
    return block?.end === position ? block : undefined;
  }

  nextStart(position: number): number {
    return this.#blocks[this.#before(position)]?.start ?? Infinity;
  }

  previousEnd(position: number): number {
    const count = this.#before(position);
    const last = this.#blocks[count - 1];
    if (last !== undefined && last.end <= position) return last.end;
    return this.#blocks[count - 2]?.end ?? 0;
  }

  learn(span: Span, text: string): void {
    if (span.end - span.start < MIN_BYTES) return;
    const at = this.#before(span.start);
    const overlaps =
      (this.#blocks[at - 1]?.end ?? 0) > span.start || (this.#blocks[at]?.start ?? Infinity) < span.end;
    if (!overlaps) this.#blocks.splice(at, 0, { start: span.start, end: span.end, facts: factsOf(text) });
  }
}

/** Known blocks of all files; forgets the file used longest ago when there are too many. */
export class BlockIndex {
  readonly #files = new Map<string, FileBlocks>();

  of(day: string): FileBlocks {
    const blocks = this.#files.get(day) ?? new FileBlocks();
    this.#files.delete(day);
    this.#files.set(day, blocks);
    let total = [...this.#files.values()].reduce((sum, file) => sum + file.size, 0);
    for (const [other, { size }] of this.#files) {
      if (total <= MAX_BLOCKS || other === day) break;
      this.#files.delete(other);
      total -= size;
    }
    return blocks;
  }

  /** After a file was cut or replaced. */
  forget(day: string): void {
    this.#files.delete(day);
  }
}
