// Times on the command line: RFC 3339, a date, or how long ago. Apart because several verbs take --from and --to.
import { parseDuration } from '#core/duration.ts';
import { isCode } from '#core/errors/error.ts';
import { usage } from '../../arguments.ts';

export const TIMES_SAY =
  'Times are RFC 3339, a date, or how long ago: 2026-01-31T15:00:00Z, 2026-01-31, 24h.';

/** The time as a field of a query, if it was given; USAGE when it is none. */
export function timeOf(
  name: 'from' | 'to',
  text: string | undefined,
  now: number,
): Partial<Record<'from' | 'to', string>> {
  if (text === undefined) return {};
  const time = /^\d{4}-\d{2}-\d{2}/.test(text) ? Date.parse(text) : now - ago(name, text);
  if (Number.isNaN(time)) throw usage(`--${name}: "${text.slice(0, 40)}" is not a time`);
  return { [name]: new Date(time).toISOString() };
}

function ago(name: string, text: string): number {
  try {
    return parseDuration(text);
  } catch (error) {
    if (!isCode(error, 'BAD_REQUEST')) throw error;
    throw usage(
      `--${name}: "${text.slice(0, 40)}" is not a time; write 2026-01-31T15:00:00Z, 2026-01-31 or 24h`,
    );
  }
}
