// Fuzz target: password hashes in text form, as a restored cluster brings them.
import { formatPasswordHash, parsePasswordHash } from './phc.ts';

const SEEDS = [
  '$argon2id$v=19$m=47104,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$q0g1Zk9cGkX1c0b1l3l1c3R2b3JhbmRvbWJ5dGVzISE',
  '$argon2id$v=19$m=999999999,t=1,p=1$c2FsdHNhbHRzYWx0c2FsdA$q0g1Zk9cGkX1c0b1l3l1c3R2b3JhbmRvbWJ5dGVzISE',
  '$argon2i$v=16$m=1,t=0,p=0$$',
];

export const fuzz = {
  name: 'password-hash',
  seeds: SEEDS.map((text) => new TextEncoder().encode(text)),
  run(input: Uint8Array): void {
    const text = Buffer.from(input).toString('latin1');
    if (formatPasswordHash(parsePasswordHash(text)) !== text)
      throw new Error('a hash is read but not written back');
  },
};
