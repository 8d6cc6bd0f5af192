// Makes new inputs from old ones: small damage, spliced pieces, lying length fields, words of the format, and now and
// then a very long one. Deterministic in the generator it is given.
import type { Random } from './random.ts';

export interface Mutator {
  next(): Uint8Array;
  /** Inputs that did something new are built upon. */
  keep(input: Uint8Array): void;
}

const MAX_KEPT = 256;
const MAX_LONG_BYTES = 256 * 1024;
const LONG_ONE_IN = 200;
const LENGTHS = [0, 1, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xffffffff];
const BYTES = [
  0x00, 0x01, 0x0a, 0x20, 0x22, 0x27, 0x2c, 0x2f, 0x5c, 0x7b, 0x7d, 0x7f, 0x80, 0xc0, 0xed, 0xff,
];

type Change = (input: Uint8Array, random: Random) => Uint8Array;

export function createMutator(seeds: readonly Uint8Array[], random: Random): Mutator {
  const kept = [...seeds, new Uint8Array()];
  const words = wordsOf(seeds);
  const changes = [...CHANGES, splicer(kept), ...(words.length > 0 ? [wordInserter(words)] : [])];
  return {
    next() {
      let input = random.pick(kept);
      if (random.below(LONG_ONE_IN) === 0) input = repeated(input, random);
      const rounds = 1 + random.below(random.pick([1, 2, 4, 12]));
      for (let round = 0; round < rounds; round += 1) input = random.pick(changes)(input, random);
      return input.length > MAX_LONG_BYTES ? input.slice(0, MAX_LONG_BYTES) : Uint8Array.from(input);
    },
    keep(input) {
      if (kept.length < MAX_KEPT + seeds.length) kept.push(Uint8Array.from(input));
    },
  };
}

const CHANGES: readonly Change[] = [
  function flipBit(input, random) {
    return edited(input, random, (bytes, at) => (bytes[at] = (bytes[at] ?? 0) ^ (1 << random.below(8))));
  },
  function setByte(input, random) {
    const byte = random.below(2) === 0 ? random.pick(BYTES) : random.below(256);
    return edited(input, random, (bytes, at) => (bytes[at] = byte));
  },
  function stepByte(input, random) {
    const step = random.pick([-1, 1]);
    return edited(input, random, (bytes, at) => (bytes[at] = (bytes[at] ?? 0) + step));
  },
  function lieAboutLength(input, random) {
    const width = random.pick([1, 2, 4, 8]);
    const value = random.below(3) === 0 ? random.below(input.length + 2) : random.pick(LENGTHS);
    const bigEndian = random.below(4) > 0;
    return edited(input, random, (bytes, at) => writeInteger(bytes, at, width, value, bigEndian));
  },
  function cutEnd(input, random) {
    return input.slice(0, random.below(input.length + 1));
  },
  function cutStart(input, random) {
    return input.slice(random.below(input.length + 1));
  },
  function removePiece(input, random) {
    const [start, end] = piece(input, random);
    return joined(input.subarray(0, start), input.subarray(end));
  },
  function repeatPiece(input, random) {
    const [start, end] = piece(input, random);
    return joined(input.subarray(0, end), input.subarray(start));
  },
  function insertBytes(input, random) {
    const at = random.below(input.length + 1);
    const fresh = Uint8Array.from({ length: 1 + random.below(8) }, () => random.below(256));
    return joined(input.subarray(0, at), fresh, input.subarray(at));
  },
  function swapPieces(input, random) {
    const [start, end] = piece(input, random);
    return joined(input.subarray(end), input.subarray(start, end), input.subarray(0, start));
  },
];

function splicer(kept: readonly Uint8Array[]): Change {
  return (input, random) => {
    const other = random.pick(kept);
    const [start, end] = piece(other, random);
    const at = random.below(input.length + 1);
    const skip = random.below(2) === 0 ? end - start : 0;
    return joined(
      input.subarray(0, at),
      other.subarray(start, end),
      input.subarray(Math.min(at + skip, input.length)),
    );
  };
}

function wordInserter(words: readonly Uint8Array[]): Change {
  return (input, random) => {
    const at = random.below(input.length + 1);
    return joined(input.subarray(0, at), random.pick(words), input.subarray(at));
  };
}

/** The printable runs of the seeds: names of fields, keywords, separators. */
function wordsOf(seeds: readonly Uint8Array[]): Uint8Array[] {
  const words = new Set<string>();
  for (const seed of seeds) {
    for (const [word] of Buffer.from(seed)
      .toString('latin1')
      .matchAll(/[\w@.-]{2,32}|[!-/:-@[-`{-~]{1,4}/g)) {
      if (words.size < 512) words.add(word);
    }
  }
  return [...words].map((word) => Uint8Array.from(Buffer.from(word, 'latin1')));
}

function repeated(input: Uint8Array, random: Random): Uint8Array {
  const [start, end] = piece(input, random);
  if (start === end) return input;
  const unit = input.subarray(start, end);
  const times = Math.floor((1024 + random.below(MAX_LONG_BYTES - 1024)) / unit.length);
  return joined(input.subarray(0, start), ...Array.from({ length: times }, () => unit), input.subarray(end));
}

function piece(input: Uint8Array, random: Random): [number, number] {
  const start = random.below(input.length + 1);
  const room = input.length - start;
  return [start, start + random.below(Math.min(room, random.pick([4, 16, 64, room])) + 1)];
}

function edited(
  input: Uint8Array,
  random: Random,
  edit: (bytes: Uint8Array, at: number) => void,
): Uint8Array {
  if (input.length === 0) return Uint8Array.of(random.below(256));
  const bytes = Uint8Array.from(input);
  edit(bytes, random.below(bytes.length));
  return bytes;
}

function writeInteger(bytes: Uint8Array, at: number, width: number, value: number, bigEndian: boolean): void {
  for (let index = 0; index < width && at + index < bytes.length; index += 1) {
    const power = bigEndian ? width - 1 - index : index;
    bytes[at + index] = Math.floor(value / 256 ** power) % 256;
  }
}

function joined(...parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(Buffer.concat(parts));
}
