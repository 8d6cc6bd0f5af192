// From the terminal modes of a pty-req (RFC 4254 section 8) to the words that stty(1) knows, because Node cannot set
// them. Only what differs from a new terminal is told. Separate from running it, because this is pure.
import { decodeTerminalModes } from '#wire/ssh/terminal-modes.ts';

/** Opcode to name, and the key that a new terminal has. 255 is "none". */
const CHARACTERS: ReadonlyMap<number, readonly [name: string, initial: number]> = new Map([
  [1, ['intr', 3]],
  [2, ['quit', 28]],
  [3, ['erase', 127]],
  [4, ['kill', 21]],
  [5, ['eof', 4]],
  [6, ['eol', 255]],
  [7, ['eol2', 255]],
  [8, ['start', 17]],
  [9, ['stop', 19]],
  [10, ['susp', 26]],
  [12, ['rprnt', 18]],
  [13, ['werase', 23]],
  [14, ['lnext', 22]],
  [16, ['swtch', 255]],
  [18, ['discard', 15]],
]);

/** Opcode to name, and whether a new terminal has it on. */
const FLAGS: ReadonlyMap<number, readonly [name: string, initial: boolean]> = new Map([
  [30, ['ignpar', false]],
  [31, ['parmrk', false]],
  [32, ['inpck', false]],
  [33, ['istrip', false]],
  [34, ['inlcr', false]],
  [35, ['igncr', false]],
  [36, ['icrnl', true]],
  [37, ['iuclc', false]],
  [38, ['ixon', true]],
  [39, ['ixany', false]],
  [40, ['ixoff', false]],
  [41, ['imaxbel', false]],
  [42, ['iutf8', false]],
  [50, ['isig', true]],
  [51, ['icanon', true]],
  [52, ['xcase', false]],
  [53, ['echo', true]],
  [54, ['echoe', true]],
  [55, ['echok', true]],
  [56, ['echonl', false]],
  [57, ['noflsh', false]],
  [58, ['tostop', false]],
  [59, ['iexten', true]],
  [60, ['echoctl', true]],
  [61, ['echoke', true]],
  [70, ['opost', true]],
  [71, ['olcuc', false]],
  [72, ['onlcr', true]],
  [73, ['ocrnl', false]],
  [74, ['onocr', false]],
  [75, ['onlret', false]],
]);
const NONE = 255;
/** What a terminal without a line calls its speed; programs that pace their output look at it. */
const SPEEDS = new Set([300, 600, 1200, 2400, 4800, 9600, 19_200, 57_600, 115_200, 230_400]);
const OUTPUT_SPEED = 129;

/** Arguments for stty; empty when a new terminal is what is asked for. Throws BAD_REQUEST on a malformed list. */
export function terminalSettings(modes: Uint8Array): string[] {
  return [...decodeTerminalModes(modes)].flatMap(([opcode, value]) => setting(opcode, value));
}

function setting(opcode: number, value: number): string[] {
  // For both ways: Linux has one speed for a pseudo-terminal.
  if (opcode === OUTPUT_SPEED) return SPEEDS.has(value) ? [String(value)] : [];
  const character = CHARACTERS.get(opcode);
  if (character !== undefined) {
    const [name, initial] = character;
    if (value === initial || value > NONE) return [];
    // In hexadecimal: one digit would be that character.
    return [name, value === NONE ? 'undef' : `0x${value.toString(16)}`];
  }
  const flag = FLAGS.get(opcode);
  if (flag === undefined) return [];
  const [name, initial] = flag;
  const isOn = value !== 0;
  if (isOn === initial) return [];
  return [isOn ? name : `-${name}`];
}
