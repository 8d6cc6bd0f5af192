// Pseudo-terminals, and what they would otherwise leak. The native openpty opens descriptors that survive exec, so every
// program that the agent starts would hold the terminals of all other people: it could read them, type into them, and
// keep them from hanging up. Node cannot mark them; so programs are started through `spawn` here, which puts /dev/null
// where a terminal would be.
import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, constants, fchownSync, fchmodSync, openSync, writeSync } from 'node:fs';
import { ReadStream } from 'node:tty';
import { GatehouseError } from '#core/errors/error.ts';
import { covered, type CleanSpawnOptions } from '#client/clean-spawn.ts';
import { loadNativePty, type NativePty } from './native-pty.ts';

/** What the master side tells. `data` is overwritten after the call. */
export interface TerminalReader {
  /** `more`: the next bytes are likely there already. False stops reading until `resume`. */
  onData(data: Buffer, more: boolean): boolean;
  /** The last process has let go of the terminal, or it was closed. Once. */
  onEnd(): void;
}

export interface Terminal {
  /** Such as /dev/pts/3. */
  readonly path: string;
  /** The other side, for the program; `closeSlave` once it is started. */
  readonly slave: number;
  closeSlave(): void;
  read(reader: TerminalReader): void;
  resume(): void;
  /** How many bytes were taken; 0 when the program does not read. Nothing after close. */
  write(data: Uint8Array): number;
  resize(columns: number, rows: number): void;
  /** Hangs up: the kernel sends SIGHUP to the program and its foreground group. Safe to call twice. */
  close(): void;
}

export interface TerminalOwner {
  readonly uid: number;
  readonly gid: number;
  /** The group `tty`, where there is one. */
  readonly terminalGroup: number | undefined;
}

/** A read of the kernel's terminal never gives more; a full one means that there may be more. */
const FULL_READ_BYTES = 4095;
const OWNER_ONLY = 0o600;
const OWNER_AND_MESSAGES = 0o620;

export class Terminals {
  readonly #masters = new Set<number>();
  /** All terminals read into this one: what is in it is dealt with before the next read. */
  readonly #buffer = Buffer.allocUnsafe(FULL_READ_BYTES);
  #native: NativePty | undefined;
  #null: number | undefined;

  /**
   * `owner`: who the terminal belongs to, as login programs have it; left out when that is this process.
   * NOT_SUPPORTED without a native build; UNAVAILABLE when the system has no more terminals.
   */
  open(size: { readonly columns: number; readonly rows: number }, owner?: TerminalOwner): Terminal {
    this.#native ??= loadNativePty();
    const native = this.#native;
    let opened;
    try {
      opened = native.open(size.columns, size.rows);
    } catch (cause) {
      throw new GatehouseError('UNAVAILABLE', 'the server has no free terminal', { cause });
    }
    const { master, slave: leaking, pty: path } = opened;
    this.#masters.add(master);
    try {
      // By its path it is another open file, one that closes on exec and blocks, as programs expect.
      const slave = openSync(path, constants.O_RDWR | constants.O_NOCTTY);
      if (owner !== undefined) giveTo(slave, owner);
      return new OpenTerminal({
        path,
        master,
        slave,
        buffer: this.#buffer,
        native,
        onClosed: () => this.#masters.delete(master),
      });
    } catch (cause) {
      closeSync(master);
      this.#masters.delete(master);
      throw new GatehouseError('UNAVAILABLE', 'the terminal cannot be prepared', { cause });
    } finally {
      closeSync(leaking);
    }
  }

  /** As spawn of node:child_process, with no terminal of anybody in the new program. Other descriptors close on exec. */
  spawn(program: string, args: readonly string[], options: CleanSpawnOptions): ChildProcess {
    if (this.#masters.size === 0) return spawn(program, args, options);
    this.#null ??= openSync('/dev/null', constants.O_RDWR);
    const stdio = covered(options.stdio, this.#masters, this.#null);
    const child = spawn(program, args, { ...options, stdio });
    // Node keeps a place for each file, open or not, as long as the program runs.
    (child.stdio as unknown[]).length = options.stdio.length;
    return child;
  }

  /** Those that are open. */
  get count(): number {
    return this.#masters.size;
  }

  close(): void {
    if (this.#null !== undefined) closeSync(this.#null);
    this.#null = undefined;
  }
}

/** Programs such as write(1) belong to the group of terminals. */
function giveTo(slave: number, { uid, gid, terminalGroup }: TerminalOwner): void {
  fchownSync(slave, uid, terminalGroup ?? gid);
  fchmodSync(slave, terminalGroup === undefined ? OWNER_ONLY : OWNER_AND_MESSAGES);
}

interface OpenTerminalParts {
  readonly path: string;
  readonly master: number;
  readonly slave: number;
  readonly buffer: Buffer;
  readonly native: NativePty;
  readonly onClosed: () => void;
}

class OpenTerminal implements Terminal {
  readonly path: string;
  readonly slave: number;
  readonly #parts: OpenTerminalParts;
  #isSlaveOpen = true;
  #stream: ReadStream | undefined;
  #isClosed = false;

  constructor(parts: OpenTerminalParts) {
    this.#parts = parts;
    this.path = parts.path;
    this.slave = parts.slave;
  }

  closeSlave(): void {
    if (!this.#isSlaveOpen) return;
    this.#isSlaveOpen = false;
    closeSync(this.slave);
  }

  read(reader: TerminalReader): void {
    const { master, buffer, onClosed } = this.#parts;
    const options = {
      onread: {
        buffer,
        callback: (bytes: number) => reader.onData(buffer.subarray(0, bytes), bytes === FULL_READ_BYTES),
      },
    };
    // The type does not know that a terminal is a socket to Node, with all of its options.
    const stream = new (ReadStream as new (fd: number, options: object) => ReadStream)(master, options);
    this.#stream = stream;
    // EIO is how Linux says that the other side is closed.
    stream.once('error', () => stream.destroy());
    stream.once('close', () => {
      onClosed();
      this.#isClosed = true;
      reader.onEnd();
    });
    stream.resume();
  }

  resume(): void {
    if (!this.#isClosed) this.#stream?.resume();
  }

  write(data: Uint8Array): number {
    if (this.#isClosed) return data.length;
    try {
      return writeSync(this.#parts.master, data);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return 0;
      // Nobody will read it: the end comes as an event.
      return data.length;
    }
  }

  resize(columns: number, rows: number): void {
    if (!this.#isClosed) this.#parts.native.resize(this.#parts.master, columns, rows);
  }

  close(): void {
    this.closeSlave();
    if (this.#isClosed) return;
    this.#isClosed = true;
    if (this.#stream !== undefined) {
      this.#stream.destroy();
      return;
    }
    closeSync(this.#parts.master);
    this.#parts.onClosed();
  }
}
