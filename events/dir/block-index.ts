// What a search learned of the blocks it read: their times, types and users. Later searches pass over blocks that
// cannot answer. Kept in memory only: an index on disk could be forged to hide events, this one cannot.
import type { BlockMap, Span } from '../blocks.ts';

/** 8,192 bits: with 500 users in a block, one question in two hundred reads it in vain. */
const BLOOM_WORDS = 256;
/** Smaller blocks are quicker to read again than worth remembering. */
const MIN_BYTES = 64 * 1024;
/** About 1,300 bytes each: 32 MiB for a log of 6 GiB. */
const MAX_BLOCKS = 25_000;

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
  const users = new Uint32Array(BLOOM_WORDS);
  for (const user of new Set(valuesAfter(text, '"user":"'))) {
    for (const bit of bloomBits(user)) users[bit >>> 5] = (users[bit >>> 5] ?? 0) | (1 << (bit & 31));
  }
  const { minTime, maxTime } = timesOf(text);
  // A slice would keep the whole block in memory: the few types are copied.
  const types = [...new Set(valuesAfter(text, '"event":"'))].map((type) =>
    Buffer.from(type, 'latin1').toString('latin1'),
  );
  return { minTime, maxTime, types: new Set(types), users };
}

/** As the log writes it: such texts are in order when their times are, which spares reading each. */
const CANONICAL_TIME = /^"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"$/;

function timesOf(text: string): { readonly minTime: number; readonly maxTime: number } {
  let first = '';
  let last = '';
  const odd: number[] = [];
  for (const value of valuesAfter(text, '"time":"')) {
    if (!CANONICAL_TIME.test(value)) {
      const time = Date.parse(value.slice(1, -1));
      if (!Number.isNaN(time)) odd.push(time);
    } else if (first === '' || value < first) {
      first = value;
      if (last === '') last = value;
    } else if (value > last) last = value;
  }
  const times = first === '' ? odd : [...odd, Date.parse(first.slice(1, -1)), Date.parse(last.slice(1, -1))];
  return { minTime: Math.min(...times), maxTime: Math.max(...times) };
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
  return [hash & 8191, (hash >>> 13) & 8191, (other >>> 16) & 8191];
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
