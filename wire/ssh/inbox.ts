// Tells the receiver of a channel what the peer sent, in order: what comes after a request waits until the request is
// answered, and the close comes last. Errors of a receiver end its channel and no other.
import type { Log } from '#core/log.ts';
import { protocolError } from './connection-messages.ts';
import type { ChannelReceiver } from './ssh.ts';

interface InboxCarrier {
  readonly log: Log;
  countWaiting(messages: number): void;
  /** More or fewer bytes of requests wait to be handled; throws when they are too many. */
  countHeld(bytes: number): void;
}

interface InboxChannel {
  /** False: this end has closed the channel. */
  readonly wantsInput: boolean;
  answer(isDone: boolean, wantsAnswer: boolean): void;
  consumed(bytes: number): void;
  close(): void;
}

type Item =
  | { readonly sort: 'data'; readonly data: Buffer; readonly isStderr: boolean }
  | {
      readonly sort: 'request';
      readonly name: string;
      readonly payload: Buffer;
      readonly wantsAnswer: boolean;
    }
  | { readonly sort: 'eof' | 'close' };

const MAX_HELD_REQUESTS = 256;

export class Inbox {
  readonly #channel: InboxChannel;
  readonly #receiver: ChannelReceiver;
  readonly #carrier: InboxCarrier;
  /** There when something must be waited for first. */
  #held: Item[] | undefined;
  #heldRequests = 0;
  #heldBytes = 0;
  #isOpenersTurn = false;
  #isClosed = false;
  /** Bytes, and about how many messages brought them, that the receiver has not dealt with. */
  #bytes = 0;
  #messages = 0;

  constructor(channel: InboxChannel, receiver: ChannelReceiver, carrier: InboxCarrier) {
    this.#channel = channel;
    this.#receiver = receiver;
    this.#carrier = carrier;
  }

  /** How many of `bytes` count: never more than there were. */
  consumed(bytes: number): number {
    const counted = Math.min(Math.max(bytes, 0), this.#bytes);
    if (counted === 0) return 0;
    const left = this.#bytes - counted;
    const messages = Math.ceil((this.#messages * left) / this.#bytes);
    this.#carrier.countWaiting(messages - this.#messages);
    this.#messages = messages;
    this.#bytes = left;
    return counted;
  }

  hold(): void {
    this.#held = [];
    this.#isOpenersTurn = true;
  }

  letGo(): void {
    this.#isOpenersTurn = false;
    this.#release();
  }

  data(data: Buffer, isStderr: boolean): void {
    this.#bytes += data.length;
    this.#messages++;
    this.#carrier.countWaiting(1);
    if (this.#held === undefined) this.#giveData(data, isStderr);
    else this.#held.push({ sort: 'data', data, isStderr });
  }

  eof(): void {
    if (this.#held === undefined) this.#giveEof();
    else this.#held.push({ sort: 'eof' });
  }

  request(name: string, payload: Buffer, wantsAnswer: boolean): void {
    if (this.#held === undefined) {
      this.#ask(name, payload, wantsAnswer);
      return;
    }
    if (++this.#heldRequests > MAX_HELD_REQUESTS)
      throw protocolError('the peer made too many requests without waiting for an answer');
    this.#carrier.countHeld(payload.length);
    this.#heldBytes += payload.length;
    this.#held.push({ sort: 'request', name, payload, wantsAnswer });
  }

  drained(): void {
    if (!this.#isClosed) this.#call(() => this.#receiver.onDrain?.());
  }

  /** The last that the peer says. */
  close(): void {
    if (this.#held === undefined) this.#giveClose();
    else this.#held.push({ sort: 'close' });
  }

  /** As close, but no request is waited for. */
  connectionEnded(): void {
    if (this.#isOpenersTurn) {
      this.close();
      return;
    }
    this.#held = undefined;
    this.#giveClose();
  }

  #release(): void {
    const held = this.#held;
    if (held === undefined) return;
    this.#held = undefined;
    this.#heldRequests = 0;
    this.#carrier.countHeld(-this.#heldBytes);
    this.#heldBytes = 0;
    for (const [index, item] of held.entries()) {
      this.#give(item);
      // Answering takes its time: the rest waits on.
      if (this.#held !== undefined) {
        for (const later of held.slice(index + 1)) this.#holdAgain(later);
        return;
      }
    }
  }

  #holdAgain(item: Item): void {
    this.#held?.push(item);
    if (item.sort !== 'request') return;
    this.#heldRequests++;
    this.#heldBytes += item.payload.length;
    this.#carrier.countHeld(item.payload.length);
  }

  #give(item: Item): void {
    switch (item.sort) {
      case 'data':
        this.#giveData(item.data, item.isStderr);
        return;
      case 'request':
        this.#ask(item.name, item.payload, item.wantsAnswer);
        return;
      case 'eof':
        this.#giveEof();
        return;
      case 'close':
        this.#giveClose();
    }
  }

  #giveData(data: Buffer, isStderr: boolean): void {
    const receiver = this.#receiver;
    const isWanted =
      (isStderr ? receiver.onStderr : receiver.onData) !== undefined && this.#channel.wantsInput;
    if (!isWanted) {
      this.#channel.consumed(data.length);
      return;
    }
    try {
      if (isStderr) receiver.onStderr?.(data);
      else receiver.onData?.(data);
    } catch (error) {
      this.#failed(error);
    }
  }

  #giveEof(): void {
    if (this.#channel.wantsInput) this.#call(() => this.#receiver.onEof?.());
  }

  #ask(name: string, payload: Buffer, wantsAnswer: boolean): void {
    let answer: boolean | Promise<boolean> = false;
    try {
      if (this.#channel.wantsInput) answer = this.#receiver.onRequest?.(name, payload) ?? false;
    } catch (error) {
      this.#failed(error);
    }
    if (typeof answer === 'boolean') {
      this.#channel.answer(answer, wantsAnswer);
      return;
    }
    this.#held = [];
    void this.#awaitAnswer(answer, wantsAnswer);
  }

  async #awaitAnswer(answer: Promise<boolean>, wantsAnswer: boolean): Promise<void> {
    let isDone = false;
    try {
      isDone = await answer;
    } catch (error) {
      this.#failed(error);
    }
    this.#channel.answer(isDone, wantsAnswer);
    this.#release();
  }

  #giveClose(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#carrier.countWaiting(-this.#messages);
    this.#messages = 0;
    this.#bytes = 0;
    this.#call(() => this.#receiver.onClose?.());
  }

  #call(tell: () => void): void {
    try {
      tell();
    } catch (error) {
      this.#failed(error);
    }
  }

  #failed(error: unknown): void {
    this.#carrier.log.error({ err: error }, 'channel closed: its receiver failed');
    this.#channel.close();
  }
}
