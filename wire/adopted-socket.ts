// A connected TCP socket taken over so that it reads into memory of ours, which halves the cost of forwarding. Node
// offers that (`onread`) only to sockets that are made with it, so the handle moves to a new socket. Apart from splice.ts
// because it is the one place that leans on how node:net is made; where that is otherwise, it declines.
import { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';

/** What an idle connection holds per direction; enough for keystrokes. */
const SMALL_BYTES = 2 * 1024;
/** What a busy one reads at a time. */
const LARGE_BYTES = 256 * 1024;
/** Reads in a row that would have fitted the small memory, before the large one is let go. */
const SHORT_READS = 8;

export interface AdoptedSocket {
  readonly socket: Socket;
  /** What was read before and not consumed, in order. */
  readonly head: readonly Buffer[];
}

interface Handle {
  reading: boolean;
  readStop(): number;
  useUserBuffer(buffer: Uint8Array): void;
}

/** True for a plain, connected TCP (or local) socket whose handle can be moved. */
export function isAdoptable(stream: unknown): stream is Socket {
  if (!(stream instanceof Socket) || stream instanceof TLSSocket) return false;
  if (stream.connecting || stream.destroyed || stream.writableEnded || stream.readableEnded) return false;
  const handle = handleOf(stream);
  return typeof handle?.readStop === 'function' && typeof handle.useUserBuffer === 'function';
}

/**
 * Moves the connection of `before` to a new socket, which does not read yet: call `resume`. `before` keeps no connection;
 * it must have nothing left to write. `onRead` is given memory that is valid during the call only, unless it returns
 * false: then nothing more is read, and the memory stays as it is, until `resume` is called.
 */
export function adoptSocket(before: Socket, onRead: (bytes: Uint8Array) => boolean): AdoptedSocket {
  const handle = handleOf(before) as Handle;
  handle.readStop();
  handle.reading = false;
  const head: Buffer[] = [];
  for (let part = before.read() as Buffer | null; part !== null; part = before.read() as Buffer | null)
    head.push(part);
  (before as unknown as { _handle: unknown })._handle = null;
  const memory = new ReadMemory();
  const socket = new Socket({
    handle,
    allowHalfOpen: true,
    manualStart: true,
    // With no mark every write that waits is followed by a drain.
    highWaterMark: 0,
    onread: {
      buffer: () => memory.next(),
      callback: (length: number, buffer: Uint8Array) => {
        memory.read(length);
        return onRead(buffer.subarray(0, length));
      },
    },
  } as object);
  return { socket, head };
}

const handleOf = (socket: Socket): Handle | undefined =>
  (socket as unknown as { _handle?: Handle | null })._handle ?? undefined;

/** Small while little comes, large while much does. */
class ReadMemory {
  #buffer = Buffer.allocUnsafeSlow(SMALL_BYTES);
  #shortReads = 0;
  #isChanged = true;

  read(length: number): void {
    if (this.#buffer.length === SMALL_BYTES) {
      if (length === SMALL_BYTES) this.#use(LARGE_BYTES);
      return;
    }
    this.#shortReads = length <= SMALL_BYTES ? this.#shortReads + 1 : 0;
    if (this.#shortReads === SHORT_READS) this.#use(SMALL_BYTES);
  }

  /** Asked after each read; undefined leaves the memory as it is. */
  next(): Buffer | undefined {
    if (!this.#isChanged) return undefined;
    this.#isChanged = false;
    return this.#buffer;
  }

  #use(bytes: number): void {
    this.#buffer = Buffer.allocUnsafeSlow(bytes);
    this.#shortReads = 0;
    this.#isChanged = true;
  }
}
