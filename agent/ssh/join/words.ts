// What the service itself says on the terminals of a session. Names come from users and admins: what could move a cursor
// or hide a word is taken out.
import { describeDuty, type JoinDuty } from '#core/access/require-join.ts';

// Control, format (bidi, zero width), private use, surrogates, line and paragraph separators.
const UNPRINTABLE = /[\p{C}\p{Zl}\p{Zp}]/gu;
const MAX_CHARACTERS = 1000;

/** A line for a terminal in raw mode, at the beginning of a line wherever the cursor is. */
export const notice = (text: string): string =>
  `\r\n[gatehouse] ${text.slice(0, MAX_CHARACTERS).replace(UNPRINTABLE, '?')}\r\n`;

export const waitingFor = (unmet: readonly JoinDuty[]): string => unmet.map(describeDuty).join(', and ');
