// Fuzz target: any key read as parts, and any name written into a key.
import { keyOf, partsOf } from './keys.ts';

export const fuzz = {
  name: 'storage keys',
  seeds: ['roles/dev', 'a%2Fb/c', '%', '%C3%A9', '%ED%A0%80', '../..', 'a//b', '', '\uD83D\uDD11'].map(
    (seed) => new TextEncoder().encode(seed),
  ),
  /** A key that is accepted is the one that its parts make, and a name comes back from its key. */
  run(input: Uint8Array): void {
    const text = Buffer.from(input).toString('utf8');
    const key = keyOf('fuzz', text);
    const [, name] = partsOf(key);
    if (name !== text) throw new Error(`a name of ${text.length} characters did not come back from its key`);
    const [first = '', ...rest] = partsOf(Buffer.from(input).toString('latin1'));
    if (keyOf(first, ...rest) !== Buffer.from(input).toString('latin1'))
      throw new Error('a key has two spellings');
  },
};
