// One channel: its windows in both directions, its end and its close, and the order in which its receiver is told. What
// the peer sends is held to the window it was given; what this end sends waits in a bounded queue.
//
//   open ── end() ──▶ EOF sent            both directions are independent
//     │                                   a CLOSE of the peer is answered at once; what waited for it is dropped
//     └─ close() ──▶ what waits goes out ──▶ EOF, CLOSE sent ──▶ CLOSE received ──▶ released
import type { Log } from '#core/log.ts';
import {
  numbersMessage,
  protocolError,
  requirePayloadFits,
  startMessage,
  STDERR,
} from './connection-messages.ts';
import { Inbox } from './inbox.ts';
import { MAX_CHANNEL_PACKET_BYTES } from './limits.ts';
import { MSG } from './messages.ts';
import { OutboundQueue } from './outbound-queue.ts';
import { ReceiveWindow } from './receive-window.ts';
import type { Channel, ChannelReceiver } from './ssh.ts';
import type { TurnTaker } from './turns.ts';

/** What a channel needs of its connection. */
export interface ChannelCarrier {
  readonly log: Log;
  /** True when data must wait for its turn. */
  readonly isBusy: boolean;
  /** 13 bytes to build the head of a message in; what is sent is copied. */
  readonly head: Buffer;
  send(...parts: readonly Uint8Array[]): void;
  sendData(head: Uint8Array, data: Uint8Array): void;
  /** See Turns.join. */
  join(channel: SshChannel): void;
  /** Both ends have closed it: its number may be used again. */
  release(localId: number): void;
  /** More or fewer data messages wait for a receiver; throws when they are too many. */
  countWaiting(messages: number): void;
  /** More or fewer bytes of requests wait to be handled; throws when they are too many. */
  countHeld(bytes: number): void;
}

/** What both ends said when the channel was opened. */
export interface ChannelNumbers {
  readonly localId: number;
  readonly window: number;
  readonly peerId: number;
  readonly peerWindow: number;
  readonly peerMaxPacket: number;
}

/** From here on `write` says false. */
const QUEUE_BYTES = 64 * 1024;
/** Who still writes with so much waiting does not listen to `write`, and its channel is closed. */
const MAX_QUEUE_BYTES = 4 * 1024 ** 2;
/** The most that `room` says. */
const MAX_ROOM_BYTES = 256 * 1024;
const MAX_WINDOW = 2 ** 32 - 1;

export class SshChannel implements Channel, TurnTaker {
  readonly #carrier: ChannelCarrier;
  readonly #localId: number;
  readonly #peerId: number;
  readonly #peerMaxPacket: number;
  readonly #inbox: Inbox;
  readonly #window: ReceiveWindow;
  #peerWindow: number;
  #queue: OutboundQueue | undefined;
  #answers: ((isDone: boolean) => void)[] | undefined;
  #wantsEnd = false;
  #wantsClose = false;
  #wantsDrain = false;
  #isWaiting = false;
  #hasSentEof = false;
  #hasSentClose = false;
  #hasPeerEnded = false;
  #hasPeerClosed = false;

  constructor(carrier: ChannelCarrier, receiver: ChannelReceiver, numbers: ChannelNumbers) {
    this.#carrier = carrier;
    this.#localId = numbers.localId;
    this.#peerId = numbers.peerId;
    this.#peerMaxPacket = Math.min(numbers.peerMaxPacket, MAX_CHANNEL_PACKET_BYTES);
    this.#peerWindow = numbers.peerWindow;
    this.#window = new ReceiveWindow(numbers.window);
    this.#inbox = new Inbox(this, receiver, carrier);
  }

  get isOpen(): boolean {
    return !this.#wantsClose && !this.#hasPeerClosed;
  }

  /** False: what the peer sends has no use any more. */
  get wantsInput(): boolean {
    return !this.#wantsClose;
  }

  get room(): number {
    if (!this.isOpen || this.#wantsEnd || this.#carrier.isBusy || this.#waitingBytes > 0) return 0;
    return Math.min(this.#peerWindow, MAX_ROOM_BYTES);
  }

  get #waitingBytes(): number {
    return this.#queue?.bytes ?? 0;
  }

  write(data: Uint8Array): boolean {
    return this.#write(data, false);
  }

  writeStderr(data: Uint8Array): boolean {
    return this.#write(data, true);
  }

  consumed(bytes: number): void {
    this.#credit(this.#inbox.consumed(bytes));
  }

  request(name: string, payload: Uint8Array): Promise<boolean> {
    if (!this.isOpen) return Promise.resolve(false);
    return new Promise((resolve) => {
      requirePayloadFits(payload);
      this.#answers ??= [];
      this.#answers.push(resolve);
      this.#sendRequest(name, payload, true);
    });
  }

  notify(name: string, payload: Uint8Array): void {
    requirePayloadFits(payload);
    if (this.isOpen) this.#sendRequest(name, payload, false);
  }

  end(): void {
    if (!this.isOpen || this.#wantsEnd) return;
    this.#wantsEnd = true;
    this.#sendEnds();
  }

  close(): void {
    if (!this.isOpen) return;
    this.#wantsClose = true;
    this.#sendEnds();
  }

  takeTurn(): boolean {
    this.#isWaiting = false;
    if (this.#waitingBytes > 0 && this.#peerWindow > 0) this.#sendWaiting();
    if (this.#waitingBytes > 0) {
      this.#isWaiting = this.#peerWindow > 0;
      return this.#isWaiting;
    }
    this.#sendEnds();
    if (this.#wantsDrain) {
      this.#wantsDrain = false;
      this.#inbox.drained();
    }
    return false;
  }

  /** Tells nothing to the receiver until `letGo`: for a channel whose opener does not hold it yet. */
  hold(): void {
    this.#inbox.hold();
  }

  letGo(): void {
    this.#inbox.letGo();
  }

  // What the peer sends. Each throws when the peer may not send it.

  receiveData(data: Buffer, isStderr: boolean): void {
    this.#countData(data);
    if (data.length === 0) return;
    if (this.#wantsClose) this.#credit(data.length);
    else this.#inbox.data(data, isStderr);
  }

  /** Of a type that has no meaning: dropped, but its bytes count. */
  receiveUnknownData(data: Buffer): void {
    this.#countData(data);
    this.#credit(data.length);
  }

  receiveEof(): void {
    if (this.#hasPeerEnded) throw protocolError('the peer ended a channel twice');
    this.#hasPeerEnded = true;
    if (!this.#wantsClose) this.#inbox.eof();
  }

  receiveWindow(bytes: number): void {
    if (this.#peerWindow + bytes > MAX_WINDOW)
      throw protocolError('the peer opened a window beyond its limit');
    this.#peerWindow += bytes;
    if (this.#peerWindow > 0 && this.#waitingBytes > 0) this.#join();
  }

  receiveRequest(name: string, payload: Buffer, wantsAnswer: boolean): void {
    if (!this.#wantsClose) this.#inbox.request(name, payload, wantsAnswer);
    else this.answer(false, wantsAnswer);
  }

  receiveAnswer(isDone: boolean): void {
    const resolve = this.#answers?.shift();
    if (resolve === undefined) throw protocolError('the peer answered a request that was not made');
    resolve(isDone);
  }

  receiveClose(): void {
    this.#hasPeerClosed = true;
    this.#queue?.clear();
    if (!this.#hasSentClose) this.#sendClose();
    this.#finish();
  }

  /** The connection is gone, and with it everything that waits. */
  connectionEnded(): void {
    this.#hasPeerClosed = true;
    this.#hasSentClose = true;
    this.#queue?.clear();
    this.#refuseAnswers();
    this.#inbox.connectionEnded();
  }

  /** Answers a request of the peer; for the inbox. */
  answer(isDone: boolean, wantsAnswer: boolean): void {
    if (!wantsAnswer || this.#hasSentClose) return;
    this.#carrier.send(numbersMessage(isDone ? MSG.channelSuccess : MSG.channelFailure, this.#peerId));
  }

  #write(data: Uint8Array, isStderr: boolean): boolean {
    if (!this.isOpen || this.#wantsEnd) return false;
    const sent = this.#sendNow(data, isStderr);
    if (sent < data.length && !this.#keep(sent === 0 ? data : data.subarray(sent), isStderr)) return false;
    const waiting = this.#waitingBytes;
    if (waiting === 0 ? !this.#carrier.isBusy : waiting < QUEUE_BYTES) return true;
    this.#wantsDrain = true;
    if (waiting === 0) this.#join();
    return false;
  }

  /** How many bytes could be sent at once. */
  #sendNow(data: Uint8Array, isStderr: boolean): number {
    if (this.#waitingBytes > 0) return 0;
    let at = 0;
    while (at < data.length && this.#peerWindow > 0 && !this.#carrier.isBusy) {
      at += this.#send(data.subarray(at, at + this.#packetBytes), isStderr);
    }
    return at;
  }

  /** False when too much waits already. */
  #keep(data: Uint8Array, isStderr: boolean): boolean {
    if (this.#waitingBytes > MAX_QUEUE_BYTES) return this.#overflow();
    this.#queue ??= new OutboundQueue();
    this.#queue.push(data, isStderr);
    if (this.#peerWindow > 0) this.#join();
    return true;
  }

  get #packetBytes(): number {
    return Math.min(this.#peerWindow, this.#peerMaxPacket);
  }

  #sendWaiting(): void {
    const queue = this.#queue;
    if (queue === undefined) return;
    const isStderr = queue.isStderrNext;
    this.#send(queue.take(this.#packetBytes), isStderr);
  }

  /** `data` fits the window and the packet. */
  #send(data: Uint8Array, isStderr: boolean): number {
    const head = this.#carrier.head;
    head[0] = isStderr ? MSG.channelExtendedData : MSG.channelData;
    let at = head.writeUInt32BE(this.#peerId, 1);
    if (isStderr) at = head.writeUInt32BE(STDERR, at);
    at = head.writeUInt32BE(data.length, at);
    this.#peerWindow -= data.length;
    this.#carrier.sendData(at === head.length ? head : head.subarray(0, at), data);
    return data.length;
  }

  #join(): void {
    if (this.#isWaiting) return;
    this.#isWaiting = true;
    this.#carrier.join(this);
  }

  #overflow(): false {
    this.#carrier.log.warn({ waitingBytes: this.#waitingBytes }, 'channel closed: its writer does not wait');
    this.#queue?.clear();
    this.close();
    return false;
  }

  #sendRequest(name: string, payload: Uint8Array, wantsAnswer: boolean): void {
    const message = startMessage(MSG.channelRequest).uint32(this.#peerId).string(name);
    this.#carrier.send(message.raw(Uint8Array.of(wantsAnswer ? 1 : 0)).view(), payload);
  }

  /** Sends EOF and CLOSE once they are wanted and nothing waits in front of them. */
  #sendEnds(): void {
    if (this.#waitingBytes > 0 || this.#hasSentClose) return;
    if ((this.#wantsEnd || this.#wantsClose) && !this.#hasSentEof) {
      this.#hasSentEof = true;
      this.#carrier.send(numbersMessage(MSG.channelEof, this.#peerId));
    }
    if (this.#wantsClose) this.#sendClose();
  }

  #sendClose(): void {
    this.#hasSentClose = true;
    this.#carrier.send(numbersMessage(MSG.channelClose, this.#peerId));
  }

  #finish(): void {
    this.#carrier.release(this.#localId);
    this.#refuseAnswers();
    this.#inbox.close();
  }

  #refuseAnswers(): void {
    const answers = this.#answers ?? [];
    this.#answers = undefined;
    for (const resolve of answers) resolve(false);
  }

  #countData(data: Buffer): void {
    if (this.#hasPeerEnded) throw protocolError('the peer sent data after the end of a channel');
    this.#window.take(data.length);
  }

  #credit(bytes: number): void {
    if (this.#hasPeerEnded || this.#hasSentClose) return;
    const credit = this.#window.credit(bytes);
    if (credit > 0) this.#carrier.send(numbersMessage(MSG.channelWindowAdjust, this.#peerId, credit));
  }
}
