// Fuzz target: the scp protocol as it goes by. The bytes are the client's or the program's; in pieces or at once, what is
// told is the same.
import { ScpWatch, type CopiedFile } from './scp-watch.ts';

const seeds = [
  'C0644 5 a.txt\nhello\0',
  'D0755 0 folder\nT1700000000 0 1700000000 0\nC0600 0 empty\n\0E\n',
  '\0C0644 3 x\nabc\u0001scp: no space left\n',
];

function watch(pieces: readonly Buffer[]): CopiedFile[] {
  const files: CopiedFile[] = [];
  const watcher = new ScpWatch({ action: 'write', path: '/srv/' }, (file) => files.push(file));
  for (const piece of pieces) watcher.input(piece);
  watcher.end();
  return files;
}

export const fuzz = {
  name: 'scp protocol going by',
  seeds: seeds.map((seed) => new Uint8Array(Buffer.from(seed))),
  run(input: Uint8Array): void {
    const data = Buffer.from(input);
    const whole = watch([data]);
    // Single bytes cannot show a character of several; text is compared without such.
    if (data.some((byte) => byte > 127)) return;
    const bytewise = watch([...data].map((_, index) => data.subarray(index, index + 1)));
    if (JSON.stringify(whole) !== JSON.stringify(bytewise)) throw new Error('pieces change what is told');
  },
};
