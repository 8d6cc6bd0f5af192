// What a recorded session printed, made fit for the terminal of whoever watches it. Text, colours and moves of the cursor
// stay; what would make this terminal answer, set its clipboard or title, or start a device, is left out (S27).

type State = 'text' | 'escape' | 'between' | 'csi' | 'string' | 'string-escape';

/** A sequence that does not end by then was none. */
const MAX_SEQUENCE = 512;
/**
 * CSI sequences that draw. The rest is answered by terminals (reports and queries), reaches beyond the screen (windows,
 * printers), or changes what the keys of the person send.
 */
const DRAWS = [
  // Cursor, erasing, inserting, scrolling, tabs, repeating, margins, saved places.
  /^[\d;]*[@A-MPSXZ`abd-gr]$/,
  /^\d*T$/,
  /^[\d;]*[su]$/,
  /^\?[\d;]*[JK]$/,
  // Colours; the shape of the cursor; a soft reset.
  /^[\d;:]*m$/,
  /^\d{0,2} q$/,
  /^!p$/,
  // Insert mode and newline mode; private modes, of which PICTURE are kept.
  /^(?:4|20)[hl]$/,
  /^\?[\d;]+[hl]$/,
];
/**
 * Private modes that change only the picture, and that RESET puts back. Others make a terminal report (mouse, focus, pasted
 * text), change what its keys send, or turn it into another terminal.
 */
const PICTURE = new Set([5, 6, 7, 25, 47, 69, 1047, 1048, 1049, 2026]);
/** ESC and one letter: only those that move or save the cursor, and set keypad and character sets. */
const SIMPLE = new Set(['7', '8', 'D', 'E', 'H', 'M', 'N', 'O', '=', '>', '\\']);

/** Ends whatever was begun, and puts modes, colours, margins and character sets back; the cursor stays where it is. */
const RESET = [
  '\u001b[?5l\u001b[4l\u001b[20l\u001b[?69l\u001b[?2026l\u001b[?1000l\u001b[?1002l\u001b[?1003l\u001b[?1004l\u001b[?1006l\u001b[?2004l',
  '\u001b[?1l\u001b>\u001b[!p\u001b[?7h\u001b[?25h\u001b(B\u000f\u001b[0m',
].join('');
const ABORT = '\u0018\u001b\\';
/** Leaving it moves the cursor, so it is left only when it was entered. */
const OTHER_SCREEN = /^\?(?:.*;)?0*(?:47|1047|1049)(?:;.*)?([hl])$/;

export class ScreenFilter {
  readonly #decoder = new TextDecoder('utf-8');
  #state: State = 'text';
  #sequence = '';
  #isOnOtherScreen = false;

  /** What puts the terminal back as it was before all that was shown. */
  reset(): string {
    return `${ABORT}${this.#isOnOtherScreen ? '\u001b[?1049l' : ''}${RESET}`;
  }

  /** What may be shown of it. */
  push(bytes: Uint8Array): string {
    let shown = '';
    for (const character of this.#decoder.decode(bytes, { stream: true })) {
      shown += this.#state === 'text' ? this.#text(character) : this.#inSequence(character);
    }
    return shown;
  }

  #text(character: string): string {
    switch (character) {
      case '\u001b':
        return this.#begin('escape');
      case '\u009b':
        return this.#begin('csi');
      case '\u0090':
      case '\u0098':
      case '\u009d':
      case '\u009e':
      case '\u009f':
        return this.#begin('string');
      case '\u0005':
        // "Who are you": terminals answer it.
        return '';
      default:
        return character >= '\u0080' && character < '\u00a0' ? '' : character;
    }
  }

  #begin(state: State): '' {
    this.#state = state;
    this.#sequence = '';
    return '';
  }

  #inSequence(character: string): string {
    // As terminals do: both give up what was begun.
    if (character === '\u0018' || character === '\u001a') return this.#begin('text');
    if (this.#sequence.length >= MAX_SEQUENCE && this.#state !== 'string') return this.#begin('text');
    switch (this.#state) {
      case 'escape':
        return this.#afterEscape(character);
      case 'between':
        return this.#characterSet(character);
      case 'csi':
        return this.#csi(character);
      case 'string':
        if (character === '\u0007' || character === '\u009c') this.#begin('text');
        else if (character === '\u001b') this.#state = 'string-escape';
        return '';
      case 'string-escape':
        return character === '\\' ? this.#begin('text') : this.#afterEscape(character);
      case 'text':
        return '';
    }
  }

  /** The letter after ESC ( and the like; sets that draw lines are used by many programs. */
  #characterSet(character: string): string {
    const which = this.#sequence;
    this.#begin('text');
    return /^[()]$/.test(which) && /^[AB0]$/.test(character) ? `\u001b${which}${character}` : '';
  }

  #afterEscape(character: string): string {
    if (character === '\u001b') return this.#begin('escape');
    if (character === '[') return this.#begin('csi');
    if (']PX^_k'.includes(character)) return this.#begin('string');
    if (character >= ' ' && character <= '/') {
      this.#state = 'between';
      this.#sequence = character;
      return '';
    }
    this.#state = 'text';
    return SIMPLE.has(character) ? `\u001b${character}` : '';
  }

  #csi(character: string): string {
    if (character === '\u001b') return this.#begin('escape');
    if (character < ' ') return character === '\u0005' ? '' : character;
    if (character > '~') return this.#begin('text');
    this.#sequence += character;
    if (character < '@') return '';
    const sequence = pictureOf(this.#sequence);
    this.#begin('text');
    if (sequence === undefined) return '';
    const other = OTHER_SCREEN.exec(sequence);
    if (other !== null) this.#isOnOtherScreen = other[1] === 'h';
    return `\u001b[${sequence}`;
  }
}

/** What is to be shown of a CSI sequence; undefined: nothing. */
function pictureOf(sequence: string): string | undefined {
  if (!DRAWS.some((form) => form.test(sequence))) return undefined;
  if (!/^\?.*[hl]$/.test(sequence)) return sequence;
  const modes = sequence.match(/\d+/g)?.filter((mode) => PICTURE.has(Number(mode))) ?? [];
  return modes.length === 0 ? undefined : `?${modes.join(';')}${sequence.at(-1)}`;
}
