// Names into keys and back. A name is escaped so that, whatever it holds, it stays one part of its key: no name
// reaches the key of another, or out of its prefix.
import { GatehouseError } from '#core/errors/error.ts';
import { MAX_KEY_LENGTH } from './bounds.ts';

/** Stands for itself in a key; every other byte of UTF-8 is written %XX, in capitals. */
const PLAIN = /^[A-Za-z0-9._~@:+=,!-]$/;
const ALL_PLAIN = /^[A-Za-z0-9._~@:+=,!-]+$/;
const ESCAPED = /^(?:[A-Za-z0-9._~@:+=,!-]|%[0-9A-F]{2})+$/;

/**
 * The key of these parts, for example `keyOf('roles', name)`. Different parts give different keys. BAD_REQUEST when a
 * part is empty or not well-formed Unicode, or the key would be longer than 1,024 bytes.
 */
export function keyOf(prefix: string, ...parts: readonly string[]): string {
  const key = [prefix, ...parts].map(escapePart).join('/');
  if (key.length <= MAX_KEY_LENGTH) return key;
  throw new GatehouseError(
    'BAD_REQUEST',
    `the name is too long: its key has ${key.length} bytes of at most 1,024`,
  );
}

/** What the keys of everything below these parts start with. */
export function prefixOf(prefix: string, ...parts: readonly string[]): string {
  return `${keyOf(prefix, ...parts)}/`;
}

/** The parts that `keyOf` made the key of, the prefix among them. BAD_REQUEST for a key that it cannot have made. */
export function partsOf(key: string): string[] {
  if (key.length > MAX_KEY_LENGTH) throw notAKey();
  return key.split('/').map(unescapePart);
}

function escapePart(part: string): string {
  if (ALL_PLAIN.test(part)) return part;
  // An ill-formed string has no UTF-8; two of them would share a key.
  if (part === '' || !part.isWellFormed()) {
    throw new GatehouseError('BAD_REQUEST', 'a name must not be empty and must be well-formed Unicode');
  }
  let escaped = '';
  for (const byte of new TextEncoder().encode(part.slice(0, MAX_KEY_LENGTH + 1))) {
    const character = String.fromCharCode(byte);
    escaped += PLAIN.test(character) ? character : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return escaped;
}

function unescapePart(part: string): string {
  if (!ESCAPED.test(part)) throw notAKey();
  if (ALL_PLAIN.test(part)) return part;
  const bytes = part.replaceAll(/%(..)/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  let name: string;
  try {
    name = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Buffer.from(bytes, 'latin1'));
  } catch {
    throw notAKey();
  }
  // Only the one spelling that keyOf writes.
  if (escapePart(name) !== part) throw notAKey();
  return name;
}

function notAKey(): GatehouseError {
  return new GatehouseError('BAD_REQUEST', 'the key was not made by keyOf');
}
