// The escape character of a session with a terminal: after a newline, `~.` ends it whatever the server does. Pure: from
// typed bytes to bytes for the server and to what was asked for.

const TILDE = 0x7e;
const ENTER = new Set([0x0d, 0x0a]);

export type Escape = 'end' | 'suspend' | 'help' | 'forwards';

const COMMANDS: ReadonlyMap<number, Escape> = new Map([
  [0x2e, 'end'],
  [0x1a, 'suspend'],
  [0x3f, 'help'],
  [0x23, 'forwards'],
]);

export const ESCAPE_HELP = [
  'Supported escape sequences, after a newline:',
  ' ~.   end the connection',
  ' ~^Z  suspend gate',
  ' ~#   list forwarded connections',
  ' ~?   this text',
  ' ~~   send the tilde',
];

export class EscapeFilter {
  #isAtStart = true;
  #hasTilde = false;

  /** What goes to the server. `onEscape` is called for each command in between; bytes after `~.` are dropped. */
  take(bytes: Uint8Array, onEscape: (escape: Escape) => void): Uint8Array {
    if (!this.#isAtStart && !this.#hasTilde && !bytes.some((byte) => ENTER.has(byte))) return bytes;
    const out: number[] = [];
    for (const byte of bytes) {
      if (this.#hasTilde) {
        this.#hasTilde = false;
        const escape = COMMANDS.get(byte);
        if (escape !== undefined) {
          // As OpenSSH: another escape may follow at once.
          this.#isAtStart = true;
          onEscape(escape);
          if (escape === 'end') break;
          continue;
        }
        // `~~` is one of them; with anything else both go.
        if (byte !== TILDE) out.push(TILDE);
      } else if (this.#isAtStart && byte === TILDE) {
        this.#hasTilde = true;
        continue;
      }
      this.#isAtStart = ENTER.has(byte);
      out.push(byte);
    }
    return Uint8Array.from(out);
  }
}
