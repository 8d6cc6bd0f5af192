// What the commands of gatehouse work with. `start` takes the process as it is; the others only print.
import type { Io } from '../../io.ts';
import type { Output } from '../../output.ts';

export interface GatehouseContext {
  readonly io: Io;
  readonly out: Output;
}
