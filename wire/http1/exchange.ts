// One request and its reply: answered here, or forwarded to a server piece by piece with backpressure both ways. Never
// more than a piece is held, however long bodies are.
import type { Duplex } from 'node:stream';
import type { GatehouseError } from '#core/errors/error.ts';
import { splice, type Splice } from '../splice.ts';
import { reasonOf, writeAnswer, type Answer } from './answer.ts';
import { readBody, type BodyReader } from './body.ts';
import { endToEnd, keepsAlive, upgradeOf, type Framing } from './framing.ts';
import { writeResponseHead, type Field, type RequestHead, type ResponseHead } from './head.ts';
import type { UpstreamPool } from './pool.ts';
import type { ReplyReceiver, Upstream } from './upstream.ts';

export interface Forward {
  readonly pool: UpstreamPool;
  /** The request as it goes on, without a transfer encoding and what else is about one connection; latin1. */
  readonly head: { readonly target: string; readonly fields: readonly Field[] };
  /** Of the fields after the last chunk of a request. */
  readonly keepTrailer: (field: Field) => boolean;
  /** The fields that go to the client; given those that are not about one connection. */
  readonly reply: (fields: Field[], head: ResponseHead) => readonly Field[];
  /** Once: the status that the client is told, or 0 when it left before. */
  readonly seen: (status: number) => void;
  readonly failed: (error: unknown) => Answer;
  /** More of the request's body came. */
  readonly moved?: () => void;
  /** The two ends speak something else now. */
  readonly upgraded?: (running: Splice) => void;
}

/** What the connection does for its exchange. */
export interface ExchangeOwner {
  done(keepsAlive: boolean): void;
  /** The connection is somebody else's from now on; returns the bytes that were read ahead. */
  handOver(): Buffer;
  /** The body can be taken now. */
  bodyRead(): void;
}

/** Copied into one write with the head, when it is no longer. */
const SMALL = 16 * 1024;
/** May be sent twice without harm, by their definition. */
const IDEMPOTENT: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE']);

export class Exchange implements ReplyReceiver {
  readonly head: RequestHead;
  readonly framing: Framing;
  readonly #client: Duplex;
  readonly #owner: ExchangeOwner;
  #keepsAlive: boolean;
  #requestBody: BodyReader | undefined;
  #route: Forward | undefined;
  #upstream: Upstream | undefined;
  #replyHead: string | undefined;
  #isHeld = false;
  #isSeen = false;
  #hasReplied = false;
  #isOver = false;
  #isRetry = false;
  readonly #onPiece = (piece: Buffer): void => {
    if (this.#upstream?.write(piece) === false) this.#isHeld = true;
  };

  constructor(client: Duplex, head: RequestHead, framing: Framing, owner: ExchangeOwner) {
    this.#client = client;
    this.head = head;
    this.framing = framing;
    this.#owner = owner;
    this.#keepsAlive = keepsAlive(head);
    if (framing.by === 'none') this.#requestBody = readBody(framing, { keepTrailer: () => true });
  }

  get isRequestWhole(): boolean {
    return this.#requestBody?.isDone === true;
  }

  /** The server takes no more for now. */
  get isHeld(): boolean {
    return this.#isHeld;
  }

  /** The client has been told the beginning of a reply. */
  get hasReplied(): boolean {
    return this.#hasReplied;
  }

  /** It is the client's turn. */
  get awaitsClient(): boolean {
    return this.#upstream !== undefined && !this.isRequestWhole && !this.#isHeld;
  }

  /** The connection ends after this exchange. */
  endAfter(): void {
    this.#keepsAlive = false;
  }

  /** Sends the request on, unless its client has gone. What goes wrong becomes an answer. */
  forward(route: Forward): void {
    if (this.#isOver) return;
    this.#route = route;
    this.#requestBody ??= readBody(this.framing, { keepTrailer: route.keepTrailer });
    const waiting = route.pool.take();
    if (waiting !== undefined) this.#send(waiting);
    else this.#open();
  }

  #open(): void {
    const { pool } = this.#route as Forward;
    pool.open().then(
      (upstream) => (this.#isOver ? pool.release(upstream) : this.#send(upstream)),
      (error: unknown) => this.#giveUp(error),
    );
  }

  #send(upstream: Upstream): void {
    const { head } = this.#route as Forward;
    const { method } = this.head;
    this.#upstream = upstream;
    const upgrade = upgradeOf(this.head);
    const chunks = this.framing.by === 'chunks' ? 'transfer-encoding: chunked\r\n' : '';
    const asks = upgrade === undefined ? '' : `connection: Upgrade\r\nupgrade: ${upgrade}\r\n`;
    let text = `${method} ${head.target} HTTP/1.1\r\n`;
    for (const { text: name, value } of head.fields) text += `${name}: ${value}\r\n`;
    upstream.send(
      {
        head: `${text}${chunks}${asks}\r\n`,
        method,
        asksUpgrade: upgrade !== undefined,
        bare: this.head.minor === 0,
      },
      this,
    );
    this.#owner.bodyRead();
  }

  /** Takes what is its own of the bytes; returns where it stopped. BAD_REQUEST for broken chunks. */
  readBody(bytes: Buffer, at: number): number {
    const body = this.#requestBody;
    if (body === undefined || body.isDone || this.#upstream === undefined) return at;
    this.#route?.moved?.();
    let next = at;
    // Small chunks would be a packet each, and more work for us than for whoever sends them.
    this.#upstream.together(() => (next = body.read(bytes, at, this.#onPiece)));
    if (this.#isHeld) this.#client.pause();
    return next;
  }

  drain(): void {
    if (!this.#isHeld) return;
    this.#isHeld = false;
    this.#owner.bodyRead();
  }

  clientDrained(): void {
    this.#upstream?.resume();
  }

  interim(head: ResponseHead): void {
    if (this.head.minor === 0) return;
    this.#client.write(
      writeResponseHead(
        head.status,
        head.reason || reasonOf(head.status),
        endToEnd(head.fields, () => true),
      ),
      'latin1',
    );
  }

  replied(head: ResponseHead, framing: Framing): void {
    const route = this.#route as Forward;
    const { minor } = this.head;
    this.#hasReplied = true;
    this.#see(head.status);
    if (framing.by === 'close' || (framing.by === 'chunks' && minor === 0)) this.#keepsAlive = false;
    let text = `HTTP/1.1 ${head.status} ${head.reason}\r\n`;
    for (const { text: name, value } of route.reply(
      endToEnd(head.fields, () => true),
      head,
    )) {
      text += `${name}: ${value}\r\n`;
    }
    if (framing.by === 'chunks' && minor === 1) text += 'transfer-encoding: chunked\r\n';
    if (!this.#keepsAlive) text += 'connection: close\r\n';
    else if (minor === 0) text += 'connection: keep-alive\r\n';
    this.#replyHead = `${text}\r\n`;
  }

  body(piece: Buffer): void {
    const head = this.#replyHead;
    if (head !== undefined && piece.length <= SMALL) {
      this.#replyHead = undefined;
      const both = Buffer.allocUnsafe(head.length + piece.length);
      both.write(head, 0, 'latin1');
      piece.copy(both, head.length);
      this.#write(both);
      return;
    }
    this.flush();
    this.#write(piece);
  }

  together(work: () => void): void {
    this.#client.cork();
    try {
      work();
    } finally {
      this.#client.uncork();
    }
  }

  flush(): void {
    const head = this.#replyHead;
    if (head === undefined) return;
    this.#replyHead = undefined;
    this.#write(Buffer.from(head, 'latin1'));
  }

  end(): void {
    this.flush();
    this.#finish();
  }

  failed(error: GatehouseError, isStale: boolean): void {
    if (isStale && !this.#isRetry && this.framing.by === 'none' && IDEMPOTENT.has(this.head.method)) {
      this.#isRetry = true;
      this.#letGo();
      this.#open();
      return;
    }
    this.#giveUp(error);
  }

  upgraded(head: ResponseHead, stream: Duplex): void {
    const route = this.#route as Forward;
    this.#see(head.status);
    this.#isOver = true;
    this.#letGo();
    const rest = this.#owner.handOver();
    const upgrade = head.fields.filter(({ name }) => name === 'upgrade' || name === 'connection');
    const fields = [
      ...route.reply(
        endToEnd(head.fields, () => true),
        head,
      ),
      ...upgrade,
    ];
    const client = this.#client;
    client.write(writeResponseHead(head.status, head.reason || reasonOf(head.status), fields), 'latin1');
    if (rest.length > 0) client.unshift(rest);
    const running = splice(client, stream);
    route.upgraded?.(running);
  }

  /** Says something of our own; the connection goes on when nothing of the request is left unread. */
  answer(answer: Answer): void {
    if (this.#isOver) return;
    if (!this.isRequestWhole) this.#keepsAlive = false;
    const { method, minor } = this.head;
    if (this.#client.writable) {
      this.#client.write(writeAnswer(answer, { method, minor, keepsAlive: this.#keepsAlive }));
    }
    this.#finish();
  }

  /** The client is gone, or sent something that cannot be. */
  abort(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#see(0);
    this.#upstream?.destroy();
    this.#letGo();
  }

  #giveUp(error: unknown): void {
    if (this.#isOver) return;
    const route = this.#route as Forward;
    this.#letGo();
    if (this.#hasReplied) {
      // The client must not take what it has for the whole.
      this.#isOver = true;
      this.#client.destroy();
      return;
    }
    const answer = route.failed(error);
    this.#see(answer.status);
    this.answer(answer);
  }

  #finish(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const upstream = this.#upstream;
    if (!this.isRequestWhole) {
      this.#keepsAlive = false;
      upstream?.destroy();
    }
    this.#letGo();
    this.#owner.done(this.#keepsAlive);
  }

  #letGo(): void {
    const upstream = this.#upstream;
    this.#upstream = undefined;
    if (upstream !== undefined) this.#route?.pool.release(upstream);
  }

  #write(bytes: Buffer): void {
    if (!this.#client.writable) return;
    if (!this.#client.write(bytes)) this.#upstream?.pause();
  }

  #see(status: number): void {
    if (this.#isSeen || this.#route === undefined) return;
    this.#isSeen = true;
    this.#route.seen(status);
  }
}
