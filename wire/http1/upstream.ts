// The near end of a connection to a server: sends one request at a time and reads its reply. Apart from pool.ts, which
// keeps such connections for the next request.
import type { Duplex } from 'node:stream';
import { GatehouseError, isCode } from '#core/errors/error.ts';
import { cutShort, readBody, type BodyReader } from './body.ts';
import { keepsAlive, responseFraming, type Framing } from './framing.ts';
import { headEnd, parseResponseHead, type ResponseHead } from './head.ts';

/** Told in this order: interim*, then upgraded, or replied, body*, end; `failed` may come instead of what is missing. */
export interface ReplyReceiver {
  interim(head: ResponseHead): void;
  replied(head: ResponseHead, framing: Framing): void;
  body(piece: Buffer): void;
  /** What `work` tells goes out together. */
  together(work: () => void): void;
  /** Nothing more is there for now. */
  flush(): void;
  end(): void;
  /** The stream is the receiver's from now on; bytes that came along are put back. */
  upgraded(head: ResponseHead, stream: Duplex): void;
  /** `isStale`: the connection ended before any byte of a reply, and had served before. */
  failed(error: GatehouseError, isStale: boolean): void;
  /** What was written has gone out. */
  drain(): void;
}

export interface RequestToSend {
  /** As sent; latin1. */
  readonly head: string;
  readonly method: string;
  readonly asksUpgrade: boolean;
  /** The receiver knows no chunks. */
  readonly bare: boolean;
}

const EMPTY = Buffer.alloc(0);
const MAX_INTERIM = 8;
const KEEP_ALL = (): boolean => true;

export class Upstream {
  /** Set by the pool: when it became idle. */
  idleSince = 0;
  readonly #stream: Duplex;
  readonly #onIdleEnd: (upstream: Upstream) => void;
  #receiver: ReplyReceiver | undefined;
  #request: RequestToSend | undefined;
  #pending: Buffer = EMPTY;
  #body: BodyReader | undefined;
  #keepsAlive = true;
  #isInChunks = false;
  #interims = 0;
  #served = 0;
  #isOver = false;
  #isHandedOn = false;
  readonly #onPiece = (piece: Buffer): void => this.#receiver?.body(piece);
  readonly #onData = (bytes: Buffer): void => this.#read(bytes);
  readonly #onEnd = (): void => this.#ended();
  readonly #onClose = (): void => this.#ended();
  readonly #onError = (error: Error): void => this.#fail(error);
  readonly #onDrain = (): void => this.#receiver?.drain();

  /** Owns the stream, which is connected. `onIdleEnd` when it ends while no request is under way. */
  constructor(stream: Duplex, onIdleEnd: (upstream: Upstream) => void) {
    this.#stream = stream;
    this.#onIdleEnd = onIdleEnd;
    stream.on('data', this.#onData);
    stream.on('end', this.#onEnd);
    stream.on('close', this.#onClose);
    stream.on('error', this.#onError);
    stream.on('drain', this.#onDrain);
  }

  /** Whether another request may be sent. */
  get isReusable(): boolean {
    return !this.#isOver && this.#receiver === undefined && this.#keepsAlive && this.#stream.writable;
  }

  /** Sends the head; the body follows by `write`. */
  send(request: RequestToSend, receiver: ReplyReceiver): void {
    this.#request = request;
    this.#receiver = receiver;
    this.#body = undefined;
    this.#interims = 0;
    if (this.#isOver || !this.#stream.writable) {
      queueMicrotask(() => this.#fail(new Error('it is closed')));
      return;
    }
    this.#stream.write(request.head, 'latin1');
  }

  /** False: wait for `drain`. */
  write(piece: Buffer): boolean {
    return this.#isOver || this.#stream.write(piece);
  }

  /** What `work` writes goes out together. */
  together(work: () => void): void {
    this.#stream.cork();
    try {
      work();
    } finally {
      this.#stream.uncork();
    }
  }

  pause(): void {
    this.#stream.pause();
  }

  resume(): void {
    if (!this.#isOver) this.#stream.resume();
  }

  destroy(): void {
    this.#isOver = true;
    this.#receiver = undefined;
    if (!this.#isHandedOn) this.#stream.destroy();
  }

  #read(bytes: Buffer): void {
    if (this.#receiver === undefined) {
      // Nobody asked: whatever it is, the next reply would not be the one that was asked for.
      this.#end();
      return;
    }
    try {
      this.#take(this.#pending.length === 0 ? bytes : Buffer.concat([this.#pending, bytes]));
    } catch (error) {
      this.#fail(error);
    }
  }

  #take(bytes: Buffer): void {
    this.#pending = EMPTY;
    let at = 0;
    while (this.#body === undefined) {
      const rest = at === 0 ? bytes : bytes.subarray(at);
      const end = headEnd(rest);
      if (end === undefined) {
        this.#pending = rest;
        return;
      }
      at += end;
      if (!this.#takeHead(parseResponseHead(rest.subarray(0, end)), bytes, at)) return;
    }
    const body = this.#body;
    if (this.#isInChunks) this.#receiver?.together(() => (at = body.read(bytes, at, this.#onPiece)));
    else at = body.read(bytes, at, this.#onPiece);
    if (this.#body.isDone) this.#finish(at < bytes.length);
    else this.#receiver?.flush();
  }

  /** False when the stream has been handed on. */
  #takeHead(head: ResponseHead, bytes: Buffer, at: number): boolean {
    const request = this.#request as RequestToSend;
    if (head.status === 101) {
      if (!request.asksUpgrade) throw new Error('it changes to a protocol that nobody asked for');
      this.#handOn(head, bytes.subarray(at));
      return false;
    }
    if (head.status < 200) {
      if (++this.#interims > MAX_INTERIM) throw new Error('it sends one interim reply after the other');
      this.#receiver?.interim(head);
      return true;
    }
    const framing = responseFraming(head, request.method);
    this.#keepsAlive = framing.by !== 'close' && keepsAlive(head);
    this.#isInChunks = framing.by === 'chunks';
    this.#body = readBody(framing, { keepTrailer: KEEP_ALL, bare: request.bare });
    this.#receiver?.replied(head, framing);
    return true;
  }

  #handOn(head: ResponseHead, rest: Buffer): void {
    const receiver = this.#receiver;
    this.#isOver = true;
    this.#isHandedOn = true;
    this.#receiver = undefined;
    const stream = this.#stream;
    stream.off('data', this.#onData).off('end', this.#onEnd).off('close', this.#onClose);
    stream.off('error', this.#onError).off('drain', this.#onDrain);
    stream.on('error', () => {});
    stream.pause();
    if (rest.length > 0) stream.unshift(rest);
    receiver?.upgraded(head, stream);
  }

  #finish(isMore: boolean): void {
    const receiver = this.#receiver;
    this.#receiver = undefined;
    this.#served++;
    if (isMore || !this.#keepsAlive) this.#end();
    // Whoever was slow to take this reply must not hold up the next one.
    else this.#stream.resume();
    receiver?.end();
  }

  #ended(): void {
    if (this.#receiver === undefined) {
      this.#end();
      return;
    }
    // A body that ends with the connection, and only when that ends in order.
    if (this.#body?.isEndless === true && this.#stream.readableEnded) {
      this.#isOver = true;
      this.#finish(true);
      return;
    }
    this.#fail(cutShort('the target'));
  }

  #end(): void {
    if (this.#isOver) {
      this.#stream.destroy();
      return;
    }
    this.#isOver = true;
    this.#stream.destroy();
    this.#onIdleEnd(this);
  }

  #fail(cause: unknown): void {
    const receiver = this.#receiver;
    const isStale = this.#served > 0 && this.#body === undefined && this.#pending.length === 0;
    this.#receiver = undefined;
    this.#isOver = true;
    this.#stream.destroy();
    if (receiver === undefined) {
      this.#onIdleEnd(this);
      return;
    }
    const said = cause instanceof Error ? cause.message : String(cause);
    const error = isCode(cause, 'UNAVAILABLE')
      ? cause
      : new GatehouseError('UNAVAILABLE', `the target did not answer as it must: ${said}`, { cause });
    receiver.failed(error, isStale && this.#interims === 0);
  }
}
