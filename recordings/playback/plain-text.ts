// What a terminal showed, as plain text: control sequences are taken out, and lines that were edited in place come as
// they stood in the end. Nothing it returns can make a terminal do anything but show text.

/** Longer lines are broken, so that a recording without newlines needs no more memory. */
const MAX_LINE = 16_384;
/** A control sequence that does not end by then was none. */
const MAX_SEQUENCE = 4096;

/** What terminals act on or hide: controls, marks of direction, invisible characters, lone surrogates. */
const UNSHOWABLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Variation_Selector}]/u;

type State = 'text' | 'escape' | 'charset' | 'csi' | 'string' | 'string-escape';

/** One for each recording; feed it output in order. */
export class PlainText {
  readonly #decoder = new TextDecoder('utf-8');
  #state: State = 'text';
  #sequence = '';
  #length = 0;
  #line: string[] = [];
  #column = 0;

  /** The lines that are finished by now, each with its newline. */
  push(bytes: Uint8Array): string {
    return this.#feed(this.#decoder.decode(bytes, { stream: true }));
  }

  /** The line that was not finished, if there is one. */
  finish(): string {
    const rest = this.#feed(this.#decoder.decode());
    return rest + (this.#line.length === 0 ? '' : this.#endLine());
  }

  #feed(text: string): string {
    let done = '';
    for (const character of text) {
      if (this.#state === 'text') done += this.#show(character);
      else this.#skip(character);
    }
    return done;
  }

  #show(character: string): string {
    switch (character) {
      case '\u001b':
        return this.#enter('escape');
      case '\u009b':
        return this.#enter('csi');
      case '\u0090':
      case '\u0098':
      case '\u009d':
      case '\u009e':
      case '\u009f':
        return this.#enter('string');
      case '\n':
        return this.#endLine();
      case '\r':
        this.#column = 0;
        return '';
      case '\b':
        this.#column = Math.max(0, this.#column - 1);
        return '';
      default:
        return character !== '\t' && UNSHOWABLE.test(character) ? '' : this.#put(character);
    }
  }

  #put(character: string): string {
    this.#line[this.#column++] = character;
    return this.#column >= MAX_LINE ? this.#endLine() : '';
  }

  #endLine(): string {
    const line = `${this.#line.join('').trimEnd()}\n`;
    this.#line = [];
    this.#column = 0;
    return line;
  }

  #enter(state: State): '' {
    this.#state = state;
    this.#sequence = '';
    this.#length = 0;
    return '';
  }

  #skip(character: string): void {
    if (++this.#length > MAX_SEQUENCE) {
      this.#enter('text');
      return;
    }
    switch (this.#state) {
      case 'escape':
        this.#afterEscape(character);
        return;
      case 'csi':
        this.#inCsi(character);
        return;
      case 'string':
        if (character === '\u0007' || character === '\u009c') this.#enter('text');
        else if (character === '\u001b') this.#state = 'string-escape';
        return;
      case 'string-escape':
        // ESC \ ends the string; any other escape ends it too and begins anew.
        if (character === '\\') this.#enter('text');
        else this.#afterEscape(character);
        return;
      default:
        this.#enter('text');
    }
  }

  #afterEscape(character: string): void {
    if (character === '[') this.#enter('csi');
    else if (']PX^_'.includes(character)) this.#enter('string');
    else if (character === '\u001b') this.#enter('escape');
    else if (character >= ' ' && character <= '/') this.#enter('charset');
    else this.#enter('text');
  }

  #inCsi(character: string): void {
    if (character === '\u001b') this.#enter('escape');
    else if (character >= '@' && character <= '~') {
      this.#act(character);
      this.#enter('text');
    } else if (character >= ' ' && character <= '?') this.#sequence += character;
  }

  /** Only what shells use to edit a line: erasing in it, and moving within it. */
  #act(final: string): void {
    const count = Math.min(MAX_LINE, Number(/^\d{1,5}/.exec(this.#sequence)?.[0] ?? 0));
    if (final === 'K') {
      if (count === 0) this.#line.length = Math.min(this.#line.length, this.#column);
      else if (count === 2) this.#line = [];
      this.#pad();
    } else if (final === 'D') {
      this.#column = Math.max(0, this.#column - Math.max(1, count));
    } else if (final === 'C') {
      this.#column = Math.min(MAX_LINE - 1, this.#column + Math.max(1, count));
      this.#pad();
    } else if (final === 'P') {
      this.#line.splice(this.#column, Math.max(1, count));
    } else if (final === '@') {
      this.#insertBlanks(Math.max(1, count));
    }
  }

  #insertBlanks(count: number): void {
    const room = Math.max(0, MAX_LINE - 1 - this.#line.length);
    this.#line.splice(this.#column, 0, ...Array.from({ length: Math.min(count, room) }, () => ' '));
  }

  /** No holes before the column: they would be joined without a blank. */
  #pad(): void {
    while (this.#line.length < this.#column) this.#line.push(' ');
  }
}
