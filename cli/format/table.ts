// Aligned tables: titles, a row of dashes under each, rows. Values are made safe for a terminal here.
import { oneLine } from './text.ts';

/** Longer cells are cut: one hostile or careless value must not break the table for the others. */
const MAX_CELL = 120;
const GAP = '  ';

/** Ends in a line break. Cells of the last column are not cut. */
export function formatTable(titles: readonly string[], rows: readonly (readonly string[])[]): string {
  const last = titles.length - 1;
  const cells = rows.map((row) => titles.map((_, column) => cellOf(row[column] ?? '', column === last)));
  const widths = titles.map((title, column) =>
    Math.max(widthOf(title), ...cells.map((row) => widthOf(row[column] ?? ''))),
  );
  const line = (row: readonly string[]): string =>
    row
      .map((cell, column) =>
        column === last ? cell : cell + ' '.repeat((widths[column] ?? 0) - widthOf(cell)),
      )
      .join(GAP)
      .trimEnd();
  const dashes = titles.map((title) => '-'.repeat(widthOf(title)));
  return [titles, dashes, ...cells].map((row) => `${line(row)}\n`).join('');
}

function cellOf(value: string, isLast: boolean): string {
  const text = oneLine(value);
  if (isLast || [...text].length <= MAX_CELL) return text;
  return `${[...text].slice(0, MAX_CELL - 1).join('')}…`;
}

/** Columns of a terminal: marks take none, East Asian and emoji characters two. */
export function widthOf(text: string): number {
  // oxlint-disable-next-line no-control-regex -- plain ASCII is the fast way
  if (/^[\u0020-\u007e]*$/.test(text)) return text.length;
  let width = 0;
  for (const char of text) width += /\p{M}/u.test(char) ? 0 : isWide(char) ? 2 : 1;
  return width;
}

function isWide(char: string): boolean {
  return /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}|[\u{20000}-\u{3fffd}]/u.test(
    char,
  );
}
