// The connection protocol (RFC 4254) over a transport whose client is authenticated: channels in both directions,
// global requests, and the end. Reading of messages is here; what they do to a channel is in channel.ts.
import { refuseInput } from '#core/certs/refusal.ts';
import { WireReader } from '#core/certs/ssh/wire.ts';
import type { Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/errors/error.ts';
import type { Log } from '#core/log.ts';
import type { ChannelCarrier, SshChannel } from './channel.ts';
import { MAX_NAME_BYTES, protocolError, STDERR } from './connection-messages.ts';
import { GlobalRequests } from './global-requests.ts';
import { startKeepAlive } from './keep-alive.ts';
import { MSG } from './messages.ts';
import { ChannelOpenings } from './openings.ts';
import type { Channel, ChannelReceiver, ConnectionHandlers, SshConnection, SshLimits } from './ssh.ts';
import type { Transport, TransportHandlers } from './transport-contract.ts';
import { Turns } from './turns.ts';

/** Number, channel, length; of extended data the type as well. */
const DATA_HEAD_BYTES = 9;
const EXTENDED_HEAD_BYTES = 13;
/** Data messages that wait for receivers, over all channels: each costs memory of its own, however small its data. */
const MAX_WAITING_MESSAGES = 64 * 1024;
/** Requests that wait for one before them on their channel, over all channels. */
const MAX_HELD_REQUEST_BYTES = 1024 ** 2;
const NOTHING = new Uint8Array();

export interface ConnectionParts {
  readonly transport: Transport;
  readonly limits: SshLimits;
  readonly clock: Clock;
  readonly log: Log;
}

/** Takes the transport's messages from now on. */
export class Connection implements SshConnection, TransportHandlers, ChannelCarrier {
  readonly log: Log;
  readonly head: Buffer = Buffer.from(new ArrayBuffer(EXTENDED_HEAD_BYTES));
  readonly closed: Promise<GatehouseError | undefined>;
  readonly #transport: Transport;
  readonly #clock: Clock;
  readonly #turns = new Turns();
  readonly #openings: ChannelOpenings;
  readonly #requests: GlobalRequests;
  readonly #keepAlive: { stop(): void } | undefined;
  #resolveClosed: (error: GatehouseError | undefined) => void = () => {};
  #handlers: ConnectionHandlers = {};
  #waitingMessages = 0;
  #heldBytes = 0;
  #heardAt: number;
  #lastInputAt: number;
  #isEnding = false;

  constructor(parts: ConnectionParts) {
    const { transport, limits, clock, log } = parts;
    this.log = log;
    this.#transport = transport;
    this.#clock = clock;
    this.#heardAt = this.#lastInputAt = clock.now();
    this.closed = new Promise((resolve) => (this.#resolveClosed = resolve));
    const send = (...messages: readonly Uint8Array[]): void => this.send(...messages);
    this.#requests = new GlobalRequests(send, (name, payload) => this.#handleRequest(name, payload), log);
    this.#openings = new ChannelOpenings(this, limits, transport.role);
    this.#keepAlive = limits.keepAliveMs > 0 ? this.#startKeepAlive(limits) : undefined;
    transport.handlers = this;
  }

  /** Who handles what the peer opens and asks for; nothing may have arrived before. */
  serve(handlers: ConnectionHandlers): void {
    this.#handlers = handlers;
    this.#openings.onChannel = handlers.onChannel;
  }

  get peerVersion(): string {
    return this.#transport.peerVersion;
  }

  get sessionId(): Uint8Array {
    return this.#transport.sessionId;
  }

  get channelCount(): number {
    return this.#openings.channelCount;
  }

  get lastInputAt(): number {
    return this.#lastInputAt;
  }

  get isBusy(): boolean {
    return this.#turns.isBusy;
  }

  open(type: string, payload: Uint8Array, receiver: ChannelReceiver): Promise<Channel> {
    if (this.#isEnding) return Promise.reject(connectionEnded());
    return this.#openings.open(type, payload, receiver);
  }

  request(name: string, payload: Uint8Array): Promise<Uint8Array | undefined> {
    return new Promise((resolve) => this.#requests.ask(name, payload, resolve));
  }

  notify(name: string, payload: Uint8Array): void {
    this.#requests.tell(name, payload);
  }

  probe(): Promise<boolean> {
    if (this.#isEnding) return Promise.resolve(false);
    return new Promise((resolve) =>
      this.#requests.ask('keepalive@openssh.com', NOTHING, () => resolve(!this.#isEnding)),
    );
  }

  disconnect(code: number, message: string): void {
    this.#isEnding = true;
    this.#transport.disconnect(code, message);
  }

  // For the channels.

  send(...parts: readonly Uint8Array[]): void {
    if (!this.#transport.send(...parts)) this.#turns.full();
  }

  sendData(head: Uint8Array, data: Uint8Array): void {
    if (!this.#transport.sendData(head, data)) this.#turns.full();
  }

  join(channel: SshChannel): void {
    this.#turns.join(channel);
  }

  release(localId: number): void {
    this.#openings.release(localId);
  }

  countWaiting(messages: number): void {
    this.#waitingMessages += messages;
    if (this.#waitingMessages > MAX_WAITING_MESSAGES)
      throw protocolError('the peer sent too many small packets that wait for their receivers');
  }

  countHeld(bytes: number): void {
    this.#heldBytes += bytes;
    if (this.#heldBytes > MAX_HELD_REQUEST_BYTES)
      throw protocolError('the peer made too large requests without waiting for an answer');
  }

  // For the transport.

  onMessage(message: Buffer): void {
    this.#heardAt = this.#clock.now();
    const type = message[0];
    if (type === MSG.channelData) this.#receiveData(message);
    else if (type === MSG.channelWindowAdjust) this.#receiveWindow(message);
    else this.#receive(type, message);
  }

  onDrain(): void {
    this.#turns.go();
  }

  onClose(error: GatehouseError | undefined): void {
    this.#isEnding = true;
    this.#keepAlive?.stop();
    this.#turns.clear();
    this.#requests.end();
    this.#openings.end(connectionEnded(error));
    this.#resolveClosed(error);
  }

  #receive(type: number | undefined, message: Buffer): void {
    switch (type) {
      case MSG.channelExtendedData:
        return this.#receiveExtendedData(message);
      case MSG.channelEof:
        return this.#channelOf(message).receiveEof();
      case MSG.channelClose:
        return this.#channelOf(message).receiveClose();
      case MSG.channelRequest:
        return this.#receiveChannelRequest(message);
      case MSG.channelSuccess:
        return this.#channelOf(message).receiveAnswer(true);
      case MSG.channelFailure:
        return this.#channelOf(message).receiveAnswer(false);
      case MSG.globalRequest:
        return this.#receiveGlobalRequest(message);
      case MSG.requestSuccess:
        return this.#requests.receiveReply(message.subarray(1));
      case MSG.requestFailure:
        return this.#requests.receiveReply(undefined);
      default:
        return this.#receiveOpening(type, message);
    }
  }

  #receiveOpening(type: number | undefined, message: Buffer): void {
    const body = message.subarray(1);
    switch (type) {
      case MSG.channelOpen:
        this.#lastInputAt = this.#heardAt;
        return this.#openings.receiveOpen(body);
      case MSG.channelOpenConfirmation:
        return this.#openings.receiveConfirmation(body);
      case MSG.channelOpenFailure:
        return this.#openings.receiveFailure(body);
      default:
        throw protocolError('the peer sent a message that has no meaning in a connection');
    }
  }

  #receiveData(message: Buffer): void {
    this.#lastInputAt = this.#heardAt;
    if (message.length < DATA_HEAD_BYTES || message.readUInt32BE(5) !== message.length - DATA_HEAD_BYTES)
      throw protocolError('a data message of the peer is not as long as it says');
    this.#openings.channel(message.readUInt32BE(1)).receiveData(message.subarray(DATA_HEAD_BYTES), false);
  }

  #receiveExtendedData(message: Buffer): void {
    this.#lastInputAt = this.#heardAt;
    if (
      message.length < EXTENDED_HEAD_BYTES ||
      message.readUInt32BE(9) !== message.length - EXTENDED_HEAD_BYTES
    )
      throw protocolError('a data message of the peer is not as long as it says');
    const channel = this.#openings.channel(message.readUInt32BE(1));
    const data = message.subarray(EXTENDED_HEAD_BYTES);
    if (message.readUInt32BE(5) === STDERR) channel.receiveData(data, true);
    else channel.receiveUnknownData(data);
  }

  #receiveWindow(message: Buffer): void {
    if (message.length !== 9) throw protocolError('a window message of the peer has the wrong length');
    // May cross with the last that was said about the channel.
    this.#openings.find(message.readUInt32BE(1))?.receiveWindow(message.readUInt32BE(5));
  }

  #receiveChannelRequest(message: Buffer): void {
    this.#lastInputAt = this.#heardAt;
    const reader = new WireReader(message.subarray(1), refuseInput);
    const channel = this.#openings.channel(reader.uint32('the channel'));
    const name = reader.text('the name of the request', MAX_NAME_BYTES);
    const wantsAnswer = reader.raw(1, 'the request')[0] !== 0;
    channel.receiveRequest(name, message.subarray(1 + reader.position), wantsAnswer);
  }

  #receiveGlobalRequest(message: Buffer): void {
    const reader = new WireReader(message.subarray(1), refuseInput);
    const name = reader.text('the name of the request', MAX_NAME_BYTES);
    const wantsAnswer = reader.raw(1, 'the request')[0] !== 0;
    this.#requests.receive(name, message.subarray(1 + reader.position), wantsAnswer);
  }

  #handleRequest(
    name: string,
    payload: Uint8Array,
  ): ReturnType<NonNullable<ConnectionHandlers['onRequest']>> {
    switch (name) {
      case 'keepalive@openssh.com':
        return true;
      case 'no-more-sessions@openssh.com':
        this.#openings.refuseSessions();
        return true;
      case 'hostkeys-00@openssh.com':
      case 'hostkeys-prove-00@openssh.com':
        // Keys of hosts are known by their certificates.
        return false;
      default:
        return this.#handlers.onRequest?.(name, payload) ?? false;
    }
  }

  /** The channel of a message that is a number and a channel, and nothing else. */
  #channelOf(message: Buffer): SshChannel {
    if (message.length !== 5) throw protocolError('a channel message of the peer has the wrong length');
    return this.#openings.channel(message.readUInt32BE(1));
  }

  #startKeepAlive(limits: SshLimits): { stop(): void } {
    return startKeepAlive({
      clock: this.#clock,
      everyMs: limits.keepAliveMs,
      count: limits.keepAliveCount,
      heardAt: () => this.#heardAt,
      ask: () => void this.probe(),
      giveUp: () =>
        this.#transport.destroy(
          new GatehouseError('UNAVAILABLE', 'the other end of the SSH connection does not answer any more'),
        ),
    });
  }
}

function connectionEnded(cause?: GatehouseError): GatehouseError {
  return new GatehouseError('UNAVAILABLE', 'the SSH connection has ended', { cause });
}
