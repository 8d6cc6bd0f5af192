// The encoded terminal modes of pty-req (RFC 4254 section 8): opcodes with numbers, ended by 0. Separate from the other
// payloads because the list ends at the first opcode it does not know, by the RFC's own rule.
import { refuseInput } from '#core/certs/refusal.ts';
import { WireReader, WireWriter } from '#core/certs/ssh/wire.ts';

const END = 0;
/** From here on arguments have a form that is not defined yet, so reading stops. */
const FIRST_UNDEFINED = 160;
const MAX_MODES = 256;

/** Opcode to value; a repeated opcode keeps its last value. Throws BAD_REQUEST when the list is cut short or endless. */
export function decodeTerminalModes(modes: Uint8Array): ReadonlyMap<number, number> {
  const reader = new WireReader(modes, refuseInput);
  const found = new Map<number, number>();
  for (let count = 0; !reader.isDone; count++) {
    const opcode = reader.raw(1, 'a terminal mode')[0] ?? END;
    if (opcode === END || opcode >= FIRST_UNDEFINED) break;
    if (count === MAX_MODES)
      throw refuseInput('too-large', `there are more than ${MAX_MODES} terminal modes`);
    found.set(opcode, reader.uint32('a terminal mode'));
  }
  return found;
}

export function encodeTerminalModes(modes: Iterable<readonly [number, number]>): Uint8Array {
  const writer = new WireWriter(128);
  for (const [opcode, value] of modes) writer.raw(Uint8Array.of(opcode)).uint32(value);
  return writer.raw(Uint8Array.of(END)).finish();
}
