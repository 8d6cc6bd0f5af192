// A peer of an SSH transport that says what a test wants, when it wants: it frames and enciphers like a real one, but
// keeps no rules of its own. For attacks on the handshake, and for messages that no honest peer sends.
import type { Duplex } from 'node:stream';
import { generateKeyPairSync } from 'node:crypto';
import { MSG } from '#wire/ssh/messages.ts';
import type { SshKey } from '#wire/ssh/ssh.ts';
import { HOST_KEY_ALGORITHMS } from '#wire/ssh/transport/algorithms.ts';
import { Exchange, type KexContext, type KexMemory } from '#wire/ssh/transport/exchange.ts';
import { PacketReader } from '#wire/ssh/transport/packet-reader.ts';
import { PacketWriter } from '#wire/ssh/transport/packet-writer.ts';

export interface RawPeerOptions {
  readonly role: 'server' | 'client';
  readonly version?: string;
  /** The exchange of keys goes on by itself until it would send this message; default: to its end. */
  readonly stopBefore?: number;
  readonly hostKeys?: readonly SshKey[];
  /** Changes what is sent of the exchange; an empty list sends nothing. */
  readonly alter?: (payload: Uint8Array) => readonly Uint8Array[];
}

const KEY: SshKey = { privateKey: generateKeyPairSync('ed25519').privateKey };

export class RawSshPeer {
  /** Messages that came, without those the exchange took. */
  readonly received: Buffer[] = [];
  readonly memory: KexMemory;
  readonly socket: Duplex;
  readonly #options: RawPeerOptions;
  readonly #reader = new PacketReader();
  readonly #writer: PacketWriter;
  readonly #context: KexContext;
  #exchange: Exchange | undefined;
  #text = '';
  #hasStopped = false;
  #hasVersion = false;
  hasEnded = false;
  bytesIn = 0;
  /** Why nothing can be read any more. */
  failure: unknown;

  constructor(socket: Duplex, options: RawPeerOptions) {
    const version = options.version ?? 'SSH-2.0-Raw';
    this.socket = socket;
    this.#options = options;
    this.#writer = new PacketWriter(socket);
    this.memory = {
      ownVersion: version,
      peerVersion: '',
      isStrict: false,
      peerTakesExtensions: false,
      gcmOnly: false,
      sessionId: undefined,
      hostBlob: undefined,
    };
    this.#context = {
      role: options.role,
      hostKeys: options.hostKeys ?? [KEY],
      hostAlgorithms: HOST_KEY_ALGORITHMS,
      verifyHost: () => {},
      memory: this.memory,
      send: (payload) => this.#sendOfExchange(payload),
      useSealer: (sealer) => {
        if (!this.#hasStopped) this.#writer.changeKeys(sealer, this.memory.isStrict);
      },
      useOpener: (opener) => this.#reader.changeKeys(opener, this.memory.isStrict),
    };
    socket.on('data', (chunk: Buffer) => this.#onData(chunk));
    socket.on('error', () => {});
    socket.on('end', () => {
      this.hasEnded = true;
      socket.end();
    });
    socket.on('close', () => (this.hasEnded = true));
    socket.write(`${version}\r\n`);
    this.startExchange(true);
  }

  /** Sends one message, sealed with whatever keys are in use. */
  send(payload: Uint8Array): void {
    this.#writer.send([payload]);
    this.#writer.flush();
  }

  sendBytes(bytes: Uint8Array | string): void {
    this.socket.write(bytes);
  }

  /** The lists of a new exchange, which then goes on by itself. */
  startExchange(isFirst = false): void {
    this.#exchange = new Exchange(this.#context, isFirst);
    this.#exchange.start();
  }

  /** The numbers of what came. */
  get numbers(): number[] {
    return this.received.map((payload) => payload[0] ?? 0);
  }

  #sendOfExchange(payload: Uint8Array): void {
    if (payload[0] === this.#options.stopBefore) this.#hasStopped = true;
    if (this.#hasStopped) return;
    for (const message of this.#options.alter?.(payload) ?? [payload]) this.#writer.send([message]);
    this.#writer.flush();
  }

  #onData(chunk: Buffer): void {
    this.bytesIn += chunk.length;
    if (this.#hasVersion) this.#reader.push(chunk);
    else {
      this.#text += chunk.toString('latin1');
      const end = this.#text.indexOf('\r\n');
      if (end === -1) return;
      this.#hasVersion = true;
      this.memory.peerVersion = this.#text.slice(0, end);
      this.#reader.push(Buffer.from(this.#text.slice(end + 2), 'latin1'));
    }
    try {
      for (let payload = this.#reader.next(); payload !== undefined; payload = this.#reader.next()) {
        this.#onMessage(payload);
      }
    } catch (error) {
      // Such as bytes under keys that a peer that stopped early does not have.
      this.failure ??= error;
    }
  }

  #onMessage(payload: Buffer): void {
    const number = payload[0] ?? 0;
    const isOfExchange = number >= MSG.kexInit && number <= MSG.kexLast;
    if (!isOfExchange || this.#hasStopped) {
      this.received.push(payload);
      return;
    }
    this.#exchange ??= new Exchange(this.#context, false);
    this.#exchange.onMessage(payload);
    if (this.#exchange.isDone) this.#exchange = undefined;
  }
}
