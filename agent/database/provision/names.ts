// Names in SQL: quoted so that they can be nothing but names, and refused where PostgreSQL would take another one for them.
import { GatehouseError } from '#core/errors/error.ts';

/** PostgreSQL cuts longer names off without an error: two people would be one account. */
const MAX_BYTES = 63;

/** The role by which accounts that were made here are known. */
export const MARK_ROLE = 'gatehouse-auto-user';

/** `"name"`. BAD_REQUEST for names that PostgreSQL would not keep as they are. */
export function quoteName(name: string): string {
  const bytes = Buffer.byteLength(name, 'utf8');
  if (bytes === 0 || bytes > MAX_BYTES || name.includes('\0') || !name.isWellFormed())
    throw new GatehouseError(
      'BAD_REQUEST',
      `${JSON.stringify(name.slice(0, 80))} cannot be an account of PostgreSQL: 1 to ${MAX_BYTES} bytes are allowed`,
    );
  return `"${name.replaceAll('"', '""')}"`;
}

/** `'text'`, for the few statements that take no parameters. */
export function quoteText(text: string): string {
  if (text.includes('\0') || text.includes('\\'))
    throw new GatehouseError('INTERNAL', 'a text for a statement has letters that are never in it');
  return `'${text.replaceAll("'", "''")}'`;
}
