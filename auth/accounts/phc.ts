// The text form of a password hash, as other tools write it too (the PHC string format). Apart from password.ts
// because a restored cluster brings such texts from outside: what they ask for in memory and time is bounded here.
import { GatehouseError } from '#core/errors/error.ts';

export interface Argon2Cost {
  /** KiB. */
  readonly memory: number;
  readonly passes: number;
  readonly parallelism: number;
}

export interface PasswordHash extends Argon2Cost {
  readonly salt: Buffer;
  readonly tag: Buffer;
}

/** A text may ask for no more than this: whoever restores a cluster must not be able to stop its logins. */
const MOST: Argon2Cost = { memory: 256 * 1024, passes: 16, parallelism: 8 };
const MAX_LENGTH = 512;
const VERSION = 19;
const FORM =
  /^\$argon2id\$v=(\d{1,3})\$m=(\d{1,9}),t=(\d{1,9}),p=(\d{1,9})\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{22,171})$/;

/** CORRUPT when the text is none, or asks for more than 256 MiB, 16 passes or 8 lanes. The message holds none of it. */
export function parsePasswordHash(text: string): PasswordHash {
  const parts = text.length > MAX_LENGTH ? null : FORM.exec(text);
  if (parts === null) throw corrupt('it is not an argon2id hash in PHC form');
  const [, version, memory, passes, parallelism, salt = '', tag = ''] = parts;
  if (Number(version) !== VERSION) throw corrupt(`its version is not ${VERSION}`);
  const cost = { memory: Number(memory), passes: Number(passes), parallelism: Number(parallelism) };
  if (!isWithinBounds(cost)) throw corrupt('its cost is out of bounds');
  return { ...cost, salt: fromBase64(salt), tag: fromBase64(tag) };
}

function isWithinBounds({ memory, passes, parallelism }: Argon2Cost): boolean {
  const isEnough = passes >= 1 && parallelism >= 1 && memory >= 8 * parallelism;
  return isEnough && memory <= MOST.memory && passes <= MOST.passes && parallelism <= MOST.parallelism;
}

export function formatPasswordHash({ memory, passes, parallelism, salt, tag }: PasswordHash): string {
  return `$argon2id$v=${VERSION}$m=${memory},t=${passes},p=${parallelism}$${toBase64(salt)}$${toBase64(tag)}`;
}

/** Without padding, and only in the one spelling that encoding makes. */
function fromBase64(text: string): Buffer {
  const bytes = Buffer.from(text, 'base64');
  if (toBase64(bytes) !== text) throw corrupt('it is not in base64');
  return bytes;
}

const toBase64 = (bytes: Buffer): string => bytes.toString('base64').replace(/=+$/, '');

function corrupt(what: string): GatehouseError {
  return new GatehouseError(
    'CORRUPT',
    `a stored password hash cannot be used: ${what}; reset the credentials of the user with \`gatectl users reset\``,
  );
}
