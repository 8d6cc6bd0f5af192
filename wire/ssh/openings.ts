// Which channels there are: numbers, openings of either end, and the limits on them. A number is used again once both
// ends have closed the channel, so whatever names a number without a channel breaks the protocol.
import { refuseInput } from '#core/certs/refusal.ts';
import { WireReader } from '#core/certs/ssh/wire.ts';
import { GatehouseError } from '#core/errors/error.ts';
import { SshChannel, type ChannelCarrier } from './channel.ts';
import {
  MAX_NAME_BYTES,
  numbersMessage,
  OPEN_REFUSED,
  protocolError,
  requirePayloadFits,
  startMessage,
} from './connection-messages.ts';
import { MAX_CHANNEL_PACKET_BYTES } from './limits.ts';
import { MSG } from './messages.ts';
import type { Channel, ChannelReceiver, ConnectionHandlers, IncomingChannel, SshLimits } from './ssh.ts';
import { WindowBudget } from './window-budget.ts';

/** Smaller packets cost more than they carry. */
const LEAST_PEER_PACKET_BYTES = 128;
/** Openings wait for as long as a dial takes, and there may be one for each channel. */
const MAX_OPENING_BYTES = 32 * 1024;
const MAX_DESCRIPTION_BYTES = 4096;

/** Asked for by this end, not answered yet. */
interface Asked {
  readonly window: number;
  readonly receiver: ChannelReceiver;
  readonly resolve: (channel: Channel) => void;
  readonly reject: (error: GatehouseError) => void;
}

interface Slot {
  readonly window: number;
  readonly asked?: Asked;
  readonly channel?: SshChannel;
}

interface PeerOpening {
  readonly type: string;
  readonly payload: Uint8Array;
  readonly peerId: number;
  readonly peerWindow: number;
  readonly peerMaxPacket: number;
}

export class ChannelOpenings {
  onChannel: ConnectionHandlers['onChannel'];
  readonly #carrier: ChannelCarrier;
  readonly #limits: SshLimits;
  readonly #role: 'server' | 'client';
  readonly #slots: (Slot | undefined)[] = [];
  readonly #budget = new WindowBudget();
  #channelCount = 0;
  /** In use: slots, and what the peer asked for and nobody has answered. */
  #used = 0;
  #refusesSessions = false;
  #hasEnded = false;

  constructor(carrier: ChannelCarrier, limits: SshLimits, role: 'server' | 'client') {
    this.#carrier = carrier;
    this.#limits = limits;
    this.#role = role;
  }

  get channelCount(): number {
    return this.#channelCount;
  }

  /** Throws when there is no such channel. */
  channel(localId: number): SshChannel {
    const channel = this.find(localId);
    if (channel === undefined) throw protocolError('the peer named a channel that is not open');
    return channel;
  }

  find(localId: number): SshChannel | undefined {
    return this.#slots[localId]?.channel;
  }

  /** The client promised to ask for no further sessions (OpenSSH's no-more-sessions). */
  refuseSessions(): void {
    this.#refusesSessions = this.#role === 'server';
  }

  open(type: string, payload: Uint8Array, receiver: ChannelReceiver): Promise<Channel> {
    if (this.#used >= this.#limits.maxChannels) {
      return Promise.reject(
        new GatehouseError('LIMIT_EXCEEDED', `the SSH connection has ${this.#used} channels open already`),
      );
    }
    return new Promise((resolve, reject) => {
      requirePayloadFits(payload);
      this.#used++;
      const window = this.#budget.take(this.#limits.windowBytes);
      const localId = this.#freeNumber();
      this.#slots[localId] = { window, asked: { window, receiver, resolve, reject } };
      const message = startMessage(MSG.channelOpen).string(type).uint32(localId).uint32(window);
      this.#carrier.send(message.uint32(MAX_CHANNEL_PACKET_BYTES).view(), payload);
    });
  }

  /** Both ends have closed it. */
  release(localId: number): void {
    this.#freeSlot(localId);
    this.#channelCount--;
  }

  /** The messages without their numbers. */
  receiveOpen(body: Buffer): void {
    const reader = new WireReader(body, refuseInput);
    const type = reader.text('the channel type', MAX_NAME_BYTES);
    const peerId = reader.uint32('the channel');
    const peerWindow = reader.uint32('the window');
    const peerMaxPacket = reader.uint32('the packet size');
    const payload = body.subarray(reader.position);
    const opening = { type, payload, peerId, peerWindow, peerMaxPacket };
    const refusal = this.#refusalOf(opening);
    if (refusal !== undefined) {
      this.#sendRefusal(peerId, ...refusal);
      return;
    }
    this.#used++;
    this.onChannel?.(this.#incoming(opening));
  }

  receiveConfirmation(body: Buffer): void {
    const reader = new WireReader(body, refuseInput);
    const localId = reader.uint32('the channel');
    const asked = this.#askedFor(localId);
    const numbers = {
      localId,
      window: asked.window,
      peerId: reader.uint32('the channel'),
      peerWindow: reader.uint32('the window'),
      peerMaxPacket: reader.uint32('the packet size'),
    };
    if (numbers.peerMaxPacket < LEAST_PEER_PACKET_BYTES)
      throw protocolError('the peer takes no packets of a useful size');
    const channel = new SshChannel(this.#carrier, asked.receiver, numbers);
    this.#slots[localId] = { window: asked.window, channel };
    this.#channelCount++;
    channel.hold();
    asked.resolve(channel);
    setImmediate(() => channel.letGo());
  }

  receiveFailure(body: Buffer): void {
    const reader = new WireReader(body, refuseInput);
    const localId = reader.uint32('the channel');
    const asked = this.#askedFor(localId);
    const reason = reader.uint32('the reason');
    const description = reader.text('the description', MAX_DESCRIPTION_BYTES);
    this.#freeSlot(localId);
    const message = `the other end refused the channel: ${description === '' ? `reason ${reason}` : description}`;
    asked.reject(new GatehouseError('ACCESS_DENIED', message, { details: { reason } }));
  }

  /** The connection is gone. */
  end(error: GatehouseError): void {
    this.#hasEnded = true;
    const slots = this.#slots.splice(0);
    this.#channelCount = 0;
    for (const slot of slots) {
      slot?.asked?.reject(error);
      slot?.channel?.connectionEnded();
    }
  }

  #refusalOf(opening: PeerOpening): [number, string] | undefined {
    if (this.#used >= this.#limits.maxChannels)
      return [OPEN_REFUSED.resourceShortage, 'too many channels are open'];
    if (opening.payload.length > MAX_OPENING_BYTES)
      return [OPEN_REFUSED.resourceShortage, 'the opening is too large'];
    if (opening.peerMaxPacket < LEAST_PEER_PACKET_BYTES)
      return [OPEN_REFUSED.resourceShortage, `packets of ${LEAST_PEER_PACKET_BYTES} bytes are needed`];
    if (this.#refusesSessions && opening.type === 'session')
      return [OPEN_REFUSED.prohibited, 'no more sessions were to be asked for'];
    if (this.onChannel === undefined)
      return [OPEN_REFUSED.unknownType, 'channels are not opened from this side'];
    return undefined;
  }

  #incoming(opening: PeerOpening): IncomingChannel {
    let isAnswered = false;
    return {
      type: opening.type,
      payload: opening.payload,
      accept: (receiver, confirmation) => {
        if (isAnswered) throw new GatehouseError('INTERNAL', 'a channel was answered twice');
        isAnswered = true;
        return this.#accept(opening, receiver, confirmation);
      },
      reject: (code, message) => {
        if (isAnswered) return;
        isAnswered = true;
        if (this.#hasEnded) return;
        this.#used--;
        this.#sendRefusal(opening.peerId, code, message);
      },
    };
  }

  #accept(opening: PeerOpening, receiver: ChannelReceiver, confirmation?: Uint8Array): Channel {
    const window = this.#budget.take(this.#limits.windowBytes);
    const localId = this.#freeNumber();
    const channel = new SshChannel(this.#carrier, receiver, { ...opening, localId, window });
    if (this.#hasEnded) {
      channel.hold();
      channel.connectionEnded();
      setImmediate(() => channel.letGo());
      return channel;
    }
    this.#slots[localId] = { window, channel };
    this.#channelCount++;
    const head = numbersMessage(
      MSG.channelOpenConfirmation,
      opening.peerId,
      localId,
      window,
      MAX_CHANNEL_PACKET_BYTES,
    );
    if (confirmation === undefined) this.#carrier.send(head);
    else this.#carrier.send(head, confirmation);
    return channel;
  }

  #sendRefusal(peerId: number, code: number, message: string): void {
    const head = startMessage(MSG.channelOpenFailure).uint32(peerId).uint32(code);
    this.#carrier.send(head.string(message).string('').view());
  }

  #askedFor(localId: number): Asked {
    const asked = this.#slots[localId]?.asked;
    if (asked === undefined) throw protocolError('the peer answered an opening that was not made');
    return asked;
  }

  /** The lowest one that no slot has. */
  #freeNumber(): number {
    const free = this.#slots.indexOf(undefined);
    return free === -1 ? this.#slots.length : free;
  }

  #freeSlot(localId: number): void {
    const slot = this.#slots[localId];
    if (slot === undefined) return;
    this.#slots[localId] = undefined;
    this.#used--;
    this.#budget.giveBack(slot.window);
  }
}
