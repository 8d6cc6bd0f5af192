// What those who only watch can do with the keys of their terminal: nothing of it is typed into the session. Ctrl-C
// leaves; moderators have Ctrl-T and a letter.

export type GuestCommand = 'leave' | 'terminate' | 'pause' | 'resume';

const CTRL_C = 0x03;
const CTRL_T = 0x14;
const LETTERS: Readonly<Record<string, GuestCommand>> = { t: 'terminate', p: 'pause', c: 'resume' };

export class GuestKeys {
  #isPrefixed = false;

  /** The commands in what was typed, in order; at most one of each. */
  read(data: Uint8Array): readonly GuestCommand[] {
    const found = new Set<GuestCommand>();
    for (const byte of data) {
      const command = this.#isPrefixed ? LETTERS[String.fromCharCode(byte).toLowerCase()] : undefined;
      this.#isPrefixed = byte === CTRL_T;
      if (byte === CTRL_C) found.add('leave');
      else if (command !== undefined) found.add(command);
    }
    return [...found];
  }
}
