// Text for conditions and events. Parts of it come from objects, pods and auth services of others, and people read it in
// terminals: no value may move the cursor, turn the direction of text, or pass for a line of ours.

/** All but what can be printed: control, format, private and unassigned code points, separators of lines. */
const UNPRINTABLE = /[\p{C}\p{Zl}\p{Zp}]/gu;
const UNPRINTABLE_IN_LINE = /(?!\n)[\p{C}\p{Zl}\p{Zp}]/gu;
const REPLACEMENT = '\u{fffd}';

/** At most `max` UTF-16 units on one line, each character that cannot be printed replaced. */
export function plainLine(text: string, max: number): string {
  return text
    .slice(0, max)
    .replaceAll(/[\t\r\n]+/g, ' ')
    .replaceAll(UNPRINTABLE, REPLACEMENT);
}

/** The same with line breaks as they are, for text whose lines are plain already. */
export function plainText(text: string, max: number): string {
  return text.slice(0, max).replaceAll(UNPRINTABLE_IN_LINE, REPLACEMENT);
}
