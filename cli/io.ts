// What a command sees of the machine: streams, environment, home, clock. A value, so that tests run commands in-process.
import type { Clock } from '#core/clock.ts';

export interface Sink {
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
  write(chunk: string | Uint8Array): unknown;
}

export interface Source extends AsyncIterable<string | Uint8Array> {
  readonly isTTY?: boolean | undefined;
}

/** A source on which keys can be read as they are pressed. */
export interface Keys {
  setRawMode(isOn: boolean): unknown;
  on(event: 'data', listener: (chunk: Buffer) => void): unknown;
  off(event: 'data', listener: (chunk: Buffer) => void): unknown;
  resume(): unknown;
  pause(): unknown;
}

export interface Io {
  readonly stdin: Source & Partial<Keys>;
  readonly stdout: Sink;
  readonly stderr: Sink;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The home folder of the user; undefined when there is none. */
  readonly home: string | undefined;
  /** The host name of this machine. */
  readonly hostname: string;
  /** The user id; undefined where the system knows none. */
  readonly uid: number | undefined;
  readonly clock: Clock;
  /** Where a config file is looked for when none is named; the usual places when left out. */
  readonly configPaths?: readonly string[] | undefined;
}

/** Colours are for eyes: a terminal that did not say no. */
export function hasColours(sink: Sink, env: Io['env']): boolean {
  return sink.isTTY === true && !env['NO_COLOR'] && env['TERM'] !== 'dumb';
}

/** A terminal to type into. */
export function hasTerminal({ stdin }: Pick<Io, 'stdin'>): boolean {
  return stdin.isTTY === true;
}
