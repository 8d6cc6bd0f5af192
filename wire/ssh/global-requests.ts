// The global requests of a connection, both ways: ours are answered in the order they were made (RFC 4254 section 4),
// so a list of who waits is all there is; the peer's are handled one after another.
import type { Log } from '#core/log.ts';
import { protocolError, requirePayloadFits, startMessage } from './connection-messages.ts';
import { MSG } from './messages.ts';

type Reply = Uint8Array | undefined;
type Answer = boolean | Uint8Array;

interface Waiting {
  readonly name: string;
  readonly payload: Buffer;
  readonly wantsAnswer: boolean;
}

/** Answers a request of the peer; may throw or reject, which is a failure. */
export type HandleRequest = (name: string, payload: Uint8Array) => Answer | Promise<Answer>;

const MAX_WAITING = 256;
const MAX_WAITING_BYTES = 256 * 1024;
const NOTHING = new Uint8Array();

export class GlobalRequests {
  readonly #send: (...parts: readonly Uint8Array[]) => void;
  readonly #handle: HandleRequest;
  readonly #log: Log;
  #asked: ((reply: Reply) => void)[] | undefined;
  /** There while a request is being handled. */
  #waiting: Waiting[] | undefined;
  #waitingBytes = 0;
  #hasEnded = false;

  constructor(send: (...parts: readonly Uint8Array[]) => void, handle: HandleRequest, log: Log) {
    this.#send = send;
    this.#handle = handle;
    this.#log = log;
  }

  /** `onReply` is called once; after `end` too, with undefined. */
  ask(name: string, payload: Uint8Array, onReply: (reply: Reply) => void): void {
    if (this.#hasEnded) {
      onReply(undefined);
      return;
    }
    requirePayloadFits(payload);
    this.#asked ??= [];
    this.#asked.push(onReply);
    this.#sendRequest(name, payload, true);
  }

  tell(name: string, payload: Uint8Array): void {
    requirePayloadFits(payload);
    if (!this.#hasEnded) this.#sendRequest(name, payload, false);
  }

  /** The peer's answer to the oldest question. */
  receiveReply(reply: Reply): void {
    const onReply = this.#asked?.shift();
    if (onReply === undefined) throw protocolError('the peer answered a request that was not made');
    onReply(reply);
  }

  receive(name: string, payload: Buffer, wantsAnswer: boolean): void {
    if (this.#waiting === undefined) {
      this.#answer({ name, payload, wantsAnswer });
      return;
    }
    this.#waitingBytes += payload.length;
    if (this.#waiting.length >= MAX_WAITING || this.#waitingBytes > MAX_WAITING_BYTES)
      throw protocolError('the peer made too many requests without waiting for an answer');
    this.#waiting.push({ name, payload, wantsAnswer });
  }

  /** The connection is gone: all questions are answered with undefined. */
  end(): void {
    this.#hasEnded = true;
    this.#waiting = undefined;
    const asked = this.#asked ?? [];
    this.#asked = undefined;
    for (const onReply of asked) onReply(undefined);
  }

  #sendRequest(name: string, payload: Uint8Array, wantsAnswer: boolean): void {
    const head = startMessage(MSG.globalRequest).string(name);
    this.#send(head.raw(Uint8Array.of(wantsAnswer ? 1 : 0)).view(), payload);
  }

  #answer(request: Waiting): void {
    let answer: Answer | Promise<Answer> = false;
    try {
      answer = this.#handle(request.name, request.payload);
    } catch (error) {
      this.#log.error({ err: error, request: request.name }, 'global request failed');
    }
    if (!(answer instanceof Promise)) {
      this.#sendAnswer(answer, request.wantsAnswer);
      return;
    }
    this.#waiting = [];
    this.#waitingBytes = 0;
    void this.#awaitAnswer(answer, request);
  }

  async #awaitAnswer(pending: Promise<Answer>, request: Waiting): Promise<void> {
    let answer: Answer = false;
    try {
      answer = await pending;
    } catch (error) {
      this.#log.error({ err: error, request: request.name }, 'global request failed');
    }
    if (this.#hasEnded) return;
    this.#sendAnswer(answer, request.wantsAnswer);
    const waiting = this.#waiting ?? [];
    this.#waiting = undefined;
    for (const next of waiting) this.receive(next.name, next.payload, next.wantsAnswer);
  }

  #sendAnswer(answer: Answer, wantsAnswer: boolean): void {
    if (!wantsAnswer) return;
    if (answer === false) this.#send(Uint8Array.of(MSG.requestFailure));
    else this.#send(Uint8Array.of(MSG.requestSuccess), answer === true ? NOTHING : answer);
  }
}
