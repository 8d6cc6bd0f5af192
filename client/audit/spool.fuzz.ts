// Fuzz target: whatever is in a file of waiting events, it is read as objects and a count of what is none.
import { parseLines } from './spool.ts';

export const fuzz = {
  name: 'audit-spool',
  seeds: [
    Buffer.from('{"event":"exec","uid":"x"}\n{"event":"exec"}\n'),
    Buffer.from('{"event":"exec","ui\n\n{"event":"exec"}'),
    Buffer.from('[]\nnull\n7\n"x"\n'),
  ],
  run(input: Uint8Array): void {
    const text = Buffer.from(input).toString('utf8');
    const { events, damaged } = parseLines(text);
    const lines = text.split('\n').filter((line) => line !== '').length;
    if (events.length + damaged !== lines) throw new Error('a line was lost');
    if (events.some((event) => typeof event !== 'object' || Array.isArray(event))) {
      throw new Error('what is no object was taken as an event');
    }
  },
};
