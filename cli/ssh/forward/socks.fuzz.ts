// Fuzz target: SOCKS messages. What is understood must be within the bytes, and name a host and a port.
import { readSocks } from './socks.ts';

const seeds = [
  [5, 1, 0],
  [5, 1, 0, 1, 127, 0, 0, 1, 0, 80],
  [5, 1, 0, 3, 3, 97, 46, 98, 1, 187],
  [5, 1, 0, 4, ...Array.from({ length: 16 }, (_, index) => index), 0, 22],
  [4, 1, 0, 80, 10, 0, 0, 1, 0],
  [4, 1, 0, 80, 0, 0, 0, 1, 106, 0, 97, 46, 98, 0],
];

export const fuzz = {
  name: 'socks',
  seeds: seeds.map((bytes) => Uint8Array.from(bytes)),
  run(input: Uint8Array): void {
    const wants = (input.at(-1) ?? 0) % 2 === 0 ? 'greeting' : 'request';
    const message = readSocks(input, wants);
    if (message === undefined) return;
    if (message.used < 1 || message.used > input.length) throw new Error('more was used than there is');
    if (message.is === 'request' && (message.port < 1 || message.port > 65_535 || message.host === ''))
      throw new Error('a request to nowhere');
  },
};
