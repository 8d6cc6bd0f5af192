// Text for a terminal. Whatever comes from a server, a file or a user passes through here before it is printed, so that
// no value can move the cursor, hide lines, or pass for a line of ours.

/**
 * Control characters (C0 but tab and line break, DEL, C1), line and paragraph separators, marks that turn the direction
 * of text, zero-width characters, and halves of characters.
 */
const RISKY =
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]|\p{Cs}|[\u{e0000}-\u{e0fff}]/gu;

/** The text with risky characters written as escapes: `\u001b`. Line breaks and tabs stay. */
export function escapeRisky(text: string): string {
  return text.replace(RISKY, escapeOf);
}

export function hasRisky(text: string): boolean {
  return text.search(RISKY) !== -1;
}

/** The same on one line: line breaks and tabs are written as escapes as well. */
export function oneLine(text: string): string {
  return escapeRisky(text).replaceAll('\n', '\\n').replaceAll('\t', '\\t');
}

/** Several lines, of which all but the first are indented, so that none passes for a line of its own. */
export function indented(text: string): string {
  const [first = '', ...others] = escapeRisky(text).split('\n');
  return [first, ...others.map((line) => (line.startsWith('  ') ? line : `  ${line}`))].join('\n');
}

/** UTF-16 escapes, as JSON and YAML read them. */
function escapeOf(char: string): string {
  return [...Array(char.length).keys()]
    .map((index) => `\\u${char.charCodeAt(index).toString(16).padStart(4, '0')}`)
    .join('');
}

/** One argument of a POSIX shell, quoted when it has to be. */
export function shellWord(word: string): string {
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

const STEPS: readonly (readonly [number, string])[] = [
  [86_400_000, 'd'],
  [3_600_000, 'h'],
  [60_000, 'm'],
  [1000, 's'],
];

/** "in 59m", "3h ago", "now". */
export function relativeTime(time: number, now: number): string {
  const ms = Math.abs(time - now);
  // Rounded before the unit is chosen: 59 minutes and 59 seconds are an hour to a reader.
  const step = STEPS.find(([size]) => ms >= size * 0.98);
  if (step === undefined) return 'now';
  const text = `${Math.round(ms / step[0])}${step[1]}`;
  return time > now ? `in ${text}` : `${text} ago`;
}

const CODES = { red: 31, green: 32, yellow: 33, bold: 1, dim: 2 } as const;
export type Colour = keyof typeof CODES;

/** `text` must be escaped already. */
export function paint(text: string, colour: Colour, isOn: boolean): string {
  return isOn ? `\u001b[${CODES[colour]}m${text}\u001b[0m` : text;
}
