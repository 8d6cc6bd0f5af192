// Standard input and output of this process for a session: never a wait in the middle of everything else, and no more
// read than the server takes. What node makes of pipes writes them one call at a time and waits for each.
import { fstatSync } from 'node:fs';
import { Socket } from 'node:net';
import type { Io, Sink } from '../../io.ts';

/** Where bytes of the server go. */
export interface Outlet {
  /** False: taken, but no more until `onRoom` is called. */
  write(bytes: Uint8Array): boolean;
  /** Set by who writes. */
  onRoom: () => void;
  /** Nobody reads any more; called at most once. */
  onGone: () => void;
  /** Resolves when everything is with the system. */
  finish(): Promise<void>;
}

/** Where bytes for the server come from. */
export interface Inlet {
  /** Begins; each piece is the receiver's to keep. `onEnd` is called at most once. */
  start(onBytes: (bytes: Uint8Array) => void, onEnd: () => void): void;
  pause(): void;
  resume(): void;
  /** No more is read; the process may end. */
  close(): void;
}

export interface LocalStreams {
  readonly input: Inlet;
  readonly output: Outlet;
  readonly errors: Outlet;
}

export function openLocalStreams(io: Io): LocalStreams {
  return { input: inletOf(io.stdin), output: outletOf(io.stdout), errors: outletOf(io.stderr) };
}

/** Of a stream without end that nobody types into. */
export const noInput: Inlet = {
  start: (_onBytes, onEnd) => onEnd(),
  pause() {},
  resume() {},
  close() {},
};

export function outletOf(sink: Sink): Outlet {
  const fd = 'fd' in sink && typeof sink.fd === 'number' ? sink.fd : undefined;
  return fd !== undefined && isPipe(fd) ? new PipeOutlet(fd) : new PlainOutlet(sink);
}

function isPipe(fd: number): boolean {
  try {
    const stat = fstatSync(fd);
    return stat.isFIFO() || stat.isSocket();
  } catch {
    return false;
  }
}

/** Terminals and files take what they are given at once; so do the sinks of tests. */
class PlainOutlet implements Outlet {
  onRoom = (): void => {};
  onGone = (): void => {};
  readonly #sink: Sink;

  constructor(sink: Sink) {
    this.#sink = sink;
  }

  write(bytes: Uint8Array): boolean {
    this.#sink.write(bytes);
    return true;
  }

  finish(): Promise<void> {
    return Promise.resolve();
  }
}

class PipeOutlet implements Outlet {
  onRoom = (): void => {};
  onGone = (): void => {};
  readonly #socket: Socket;

  constructor(fd: number) {
    this.#socket = new Socket({ fd, readable: false, writable: true });
    this.#socket.on('drain', () => this.onRoom());
    this.#socket.once('error', () => {
      this.#socket.destroy();
      this.onGone();
    });
  }

  write(bytes: Uint8Array): boolean {
    if (!this.#socket.writable) return true;
    return this.#socket.write(bytes);
  }

  finish(): Promise<void> {
    if (this.#socket.destroyed || this.#socket.writableLength === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#socket.once('drain', resolve).once('close', resolve);
    });
  }
}

interface Readable {
  on(event: string, listener: (bytes: Buffer) => void): unknown;
  off(event: string, listener: (bytes: Buffer) => void): unknown;
  pause(): unknown;
  resume(): unknown;
}

function inletOf(source: Io['stdin']): Inlet {
  return 'pause' in source && 'on' in source && 'off' in source
    ? new StreamInlet(source as unknown as Readable)
    : noInput;
}

class StreamInlet implements Inlet {
  readonly #stream: Readable;
  #onBytes: ((bytes: Buffer) => void) | undefined;

  constructor(stream: Readable) {
    this.#stream = stream;
  }

  start(onBytes: (bytes: Uint8Array) => void, onEnd: () => void): void {
    let hasEnded = false;
    const end = (): void => {
      if (!hasEnded) onEnd();
      hasEnded = true;
    };
    this.#onBytes = (bytes) => onBytes(typeof bytes === 'string' ? Buffer.from(bytes) : bytes);
    this.#stream.on('data', this.#onBytes);
    this.#stream.on('end', end);
    // Of a terminal that is gone, or of an input that was never open.
    this.#stream.on('error', end);
    this.#stream.resume();
  }

  pause(): void {
    this.#stream.pause();
  }

  resume(): void {
    this.#stream.resume();
  }

  close(): void {
    if (this.#onBytes !== undefined) this.#stream.off('data', this.#onBytes);
    this.#stream.pause();
    if ('unref' in this.#stream && typeof this.#stream.unref === 'function') this.#stream.unref();
  }
}
