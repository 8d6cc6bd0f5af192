// What a search learned of the blocks it read: their times, types and users. Later searches pass over blocks that
// cannot answer. Kept in memory only: an index on disk could be forged to hide events, this one cannot.
import type { BlockMap, Span } from '../blocks.ts';

/** 4,096 bits: with 300 users in a block, one question in a hundred reads a block in vain. */
const BLOOM_WORDS = 128;
/** Smaller blocks are quicker to read again than worth remembering. */
const MIN_BYTES = 64 * 1024;
/** About 800 bytes each: 32 MiB for a log of 10 GiB. */
const MAX_BLOCKS = 40_000;

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
  const times = new Set(valuesAfter(text, '"time":"'));
  const users = new Uint32Array(BLOOM_WORDS);
  for (const user of new Set(valuesAfter(text, '"user":"'))) {
    for (const bit of bloomBits(user)) users[bit >>> 5] = (users[bit >>> 5] ?? 0) | (1 << (bit & 31));
  }
  let minTime = Infinity;
  let maxTime = -Infinity;
  for (const value of times) {
    const time = Date.parse(value.slice(1, -1));
    if (time < minTime) minTime = time;
    if (time > maxTime) maxTime = time;
  }
  return { minTime, maxTime, types: new Set(valuesAfter(text, '"event":"')), users };
}

/** JSON text of each string that follows `member`. A quote within a string is escaped, so `member` is never in one. */
function* valuesAfter(text: string, member: string): Generator<string> {
  for (let at = text.indexOf(member); at !== -1;) {
    const start = at + member.length;
    let end = text.indexOf('"', start);
    while (end !== -1 && isEscaped(text, start, end)) end = text.indexOf('"', end + 1);
    if (end === -1) return;
    yield text.slice(start - 1, end + 1);
    at = text.indexOf(member, end);
  }
}

function isEscaped(text: string, start: number, quote: number): boolean {
  let backslashes = 0;
  while (quote - 1 - backslashes >= start && text[quote - 1 - backslashes] === '\\') backslashes++;
  return backslashes % 2 === 1;
}

export function mayHoldUser(facts: Facts, user: string): boolean {
  return bloomBits(user).every((bit) => ((facts.users[bit >>> 5] ?? 0) & (1 << (bit & 31))) !== 0);
}

/** Three of the bits, from an FNV-1a hash; speed matters here, strength does not. */
function bloomBits(text: string): readonly [number, number, number] {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  const other = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  return [hash & 4095, (hash >>> 12) & 4095, (other >>> 16) & 4095];
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
