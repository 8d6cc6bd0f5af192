// What a generated page is. Kept apart so that a page's file needs nothing of the list that names it.

/** The same input gives the same bytes: no time, no machine, no order of a folder listing. */
export interface Page {
  /** From the root of the repository, such as `docs/reference/errors.md`. */
  readonly path: string;
  /** The whole file, with a newline at its end. */
  render(): string | Promise<string>;
}

/** The line that opens a generated Markdown page, so that nobody edits it by hand. */
export function generatedFrom(source: string): string {
  return `<!-- Generated from ${source} by "make gen"; edit that file instead. -->`;
}

/** A Markdown table; cells are escaped so that no value can end its cell or open a tag. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.map(cell).join(' | ')} |`;
  return [line(head), `|${head.map(() => '---').join('|')}|`, ...rows.map(line)].join('\n');
}

function cell(text: string): string {
  return text
    .replaceAll('|', '\\|')
    .replaceAll('<', '&lt;')
    .replaceAll(/\s*\n\s*/g, ' ');
}
