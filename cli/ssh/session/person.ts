// What the person at this end is told beside the output of the server: banners and remarks, on stderr, made safe.
import { escapeRisky, oneLine } from '../../format/text.ts';
import type { Io } from '../../io.ts';

export interface Person {
  /** One line. */
  note(text: string): void;
  /** Text of the server; line breaks stay. */
  banner(text: string): void;
}

/** `isRaw`: whether the terminal needs a carriage return before each newline. */
export function personAt({ stderr }: Pick<Io, 'stderr'>, isQuiet: boolean, isRaw: () => boolean): Person {
  const write = (text: string): void => {
    stderr.write(isRaw() ? text.replaceAll('\n', '\r\n') : text);
  };
  return {
    note(text) {
      if (!isQuiet) write(`${oneLine(text)}\n`);
    },
    banner(text) {
      if (!isQuiet) write(`${escapeRisky(text.replaceAll('\r\n', '\n')).replace(/\n?$/, '\n')}`);
    },
  };
}
