// Where commands print. Everything passes through format/, so that no value reaches a terminal raw; what is meant for
// programs goes to stdout, remarks for people to stderr.
import { escapeRisky, oneLine, paint, type Colour } from './format/text.ts';
import { formatTable } from './format/table.ts';
import { hasColours, type Io } from './io.ts';

export const FORMATS = ['text', 'json', 'yaml'] as const;
export type Format = (typeof FORMATS)[number];

export class Output {
  readonly format: Format | undefined;
  readonly #io: Io;

  /** `format` is what was asked for; undefined leaves it to the command. */
  constructor(io: Io, format: Format | undefined) {
    this.#io = io;
    this.format = format;
  }

  /** True when the answer is for a program. */
  get isData(): boolean {
    return this.format === 'json' || this.format === 'yaml';
  }

  /** Lines of text; each value in them must be of one line already (`oneLine`). */
  line(text = ''): void {
    this.#io.stdout.write(`${escapeRisky(text)}\n`);
  }

  /** A line in a colour, on a terminal. */
  painted(text: string, colour: Colour): void {
    this.#io.stdout.write(`${paint(escapeRisky(text), colour, hasColours(this.#io.stdout, this.#io.env))}\n`);
  }

  table(titles: readonly string[], rows: readonly (readonly string[])[]): void {
    this.#io.stdout.write(formatTable(titles, rows));
  }

  /** Text that format/data.ts made. */
  formatted(text: string): void {
    this.#io.stdout.write(text);
  }

  /** A remark on stderr. */
  note(text: string): void {
    this.#io.stderr.write(`${oneLine(text)}\n`);
  }

  /** The value as JSON or YAML when that was asked for, otherwise what `asText` prints. */
  async show(value: unknown, asText: () => void): Promise<void> {
    if (!this.isData) {
      asText();
      return;
    }
    const { formatJson, formatYaml } = await import('./format/data.ts');
    this.formatted(this.format === 'json' ? formatJson(value) : formatYaml(value));
  }
}
