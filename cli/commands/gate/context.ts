// What every command of gate works with.
import type { Io } from '../../io.ts';
import { Output, type Format } from '../../output.ts';

export interface Gate {
  readonly io: Io;
  readonly out: Output;
}

export function openGate(io: Io, format: Format | undefined): Gate {
  return { io, out: new Output(io, format) };
}
