// The transport of one SSH connection (RFC 4253): versions, exchanges of keys, and whole messages in between. What
// belongs to it is dealt with here; the layer above gets only what the peer may say at this point (route.ts).
import { Socket } from 'node:net';
import type { Timer } from '#core/clock.ts';
import { GatehouseError, isCode } from '#core/errors/error.ts';
import { letGo } from '../../let-go.ts';
import { MAX_BYTES_BEFORE_LOGIN } from '../limits.ts';
import { DISCONNECT, MSG } from '../messages.ts';
import type { Transport, TransportHandlers, TransportOptions } from '../transport-contract.ts';
import { encodeDisconnect, errorOfDisconnect, tellable } from './disconnect.ts';
import { encodeExtInfo, parseExtInfo } from './ext-info.ts';
import { failure, protocolError } from './failure.ts';
import { KeySchedule } from './key-schedule.ts';
import { Outbound } from './outbound.ts';
import type { Sealer } from './packet-cipher.ts';
import { PacketReader } from './packet-reader.ts';
import { routeOf, type Moment, type Route } from './route.ts';
import { SocketEnd } from './socket-end.ts';
import { OUR_VERSION, VersionReader } from './version-line.ts';

/** Starts at once: the version line is written before it returns. INTERNAL for a server without a usable host key. */
export function openTransport(options: TransportOptions): Transport {
  return new SshTransport(options);
}

class SshTransport implements Transport {
  readonly role: 'server' | 'client';
  handlers: TransportHandlers;
  peerSignatureAlgorithms: readonly string[] | undefined;

  readonly #options: TransportOptions;
  readonly #keys: KeySchedule;
  readonly #reader = new PacketReader();
  readonly #out: Outbound;
  readonly #end: SocketEnd;
  #version: VersionReader | undefined;
  #stage: Moment['stage'] = 'first-keys';
  #grace: Timer | undefined;
  #bytesBeforeLogin = 0;
  #isFirstSealed = false;
  #isPaused = false;
  #isLeaving = false;
  #isPumping = false;

  constructor(options: TransportOptions) {
    const { role, socket, clock, limits } = options;
    this.role = role;
    this.handlers = options.handlers;
    this.#options = options;
    this.#version = new VersionReader(role);
    this.#keys = new KeySchedule(options, {
      send: (payload) => void this.#out.send([payload], false),
      useSealer: (sealer) => this.#useSealer(sealer),
      useOpener: (opener) => this.#reader.changeKeys(opener, this.#keys.memory.isStrict),
      onTimeout: (error) => this.#fail(error),
    });
    this.#end = new SocketEnd(socket, clock, {
      onData: (chunk) => this.#onData(chunk),
      onEnd: () => this.#onEnd(),
      onDrain: () => this.#out.onSocketDrain(),
      onClose: (error) => this.#onClose(error),
    });
    this.#out = new Outbound(socket, limits.outboundBytes, {
      onDrain: () => this.#guard(() => this.handlers.onDrain()),
      onOverflow: (error) => this.destroy(error),
      onSaid: () => this.#end.finish(undefined),
    });
    this.#grace = clock.after(limits.loginGraceMs, () => this.#onGraceOver());
    this.#out.sendRaw(Buffer.from(`${OUR_VERSION}\r\n`, 'latin1'));
    if (role === 'client') this.#keys.begin();
  }

  get peerVersion(): string {
    return this.#keys.memory.peerVersion;
  }

  get sessionId(): Uint8Array {
    return this.#keys.memory.sessionId ?? new Uint8Array(0);
  }

  send(...parts: readonly Uint8Array[]): boolean {
    if (this.#isLeaving || this.#end.isEnding) return false;
    this.#refreshKeys();
    return this.#out.send(parts, this.#keys.isHeld);
  }

  sendData(head: Uint8Array, data: Uint8Array): boolean {
    if (this.#isLeaving || this.#end.isEnding) return false;
    this.#refreshKeys();
    return this.#keys.isHeld ? this.#out.send([head, data], true) : this.#out.sendData(head, data);
  }

  authenticated(): void {
    this.#grace?.cancel();
    this.#grace = undefined;
    this.#stage = 'open';
  }

  pause(): void {
    if (this.#isPaused || this.#end.isEnding) return;
    this.#isPaused = true;
    this.#options.socket.pause();
  }

  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#options.socket.resume();
    this.#pump();
  }

  disconnect(code: number, message: string): void {
    if (this.#isLeaving || this.#end.isEnding) return;
    this.#isLeaving = true;
    const isInOrder = code === DISCONNECT.byApplication;
    this.#end.finishWithin(isInOrder ? undefined : failure('UNAVAILABLE', code, message));
    this.#out.sayLast(encodeDisconnect(code, message));
    if (!this.#keys.isHeld) this.#out.release();
  }

  destroy(error?: GatehouseError): void {
    this.#end.destroy(error);
  }

  #onData(chunk: Buffer): void {
    if (this.#end.isEnding) return;
    this.#guard(() => {
      this.#countBeforeLogin(chunk.length);
      if (this.#version === undefined) this.#reader.push(chunk);
      else this.#readVersion(this.#version, chunk);
    });
    this.#pump();
    // Once packets are enciphered, what is passed up is none of the memory that they came in.
    if (this.#stage === 'open' && this.#reader.isUsedUp && this.#options.socket instanceof Socket)
      letGo(chunk);
  }

  #countBeforeLogin(bytes: number): void {
    if (this.#stage === 'open') return;
    this.#bytesBeforeLogin += bytes;
    if (this.#bytesBeforeLogin <= MAX_BYTES_BEFORE_LOGIN) return;
    throw failure('LIMIT_EXCEEDED', DISCONNECT.protocolError, 'too many bytes before the login');
  }

  #readVersion(reader: VersionReader, chunk: Buffer): void {
    const found = reader.push(chunk);
    if (found === undefined) return;
    this.#version = undefined;
    this.#reader.push(found.rest);
    this.#keys.onPeerVersion(found.version);
  }

  /** Deals with what has arrived, until there is no whole packet more or somebody says stop. */
  #pump(): void {
    if (this.#isPumping || this.#version !== undefined) return;
    this.#isPumping = true;
    this.#guard(() => {
      while (!this.#isPaused && !this.#end.isEnding) {
        const payload = this.#reader.next();
        if (payload === undefined) break;
        this.#onPacket(payload);
        this.#refreshKeys();
      }
    });
    this.#isPumping = false;
    if (this.#end.isPeerDone) this.#onEnd();
  }

  #onPacket(payload: Buffer): void {
    const number = payload[0] ?? 0;
    const route = routeOf(number, {
      role: this.role,
      stage: this.#stage,
      isRekeying: this.#keys.isPeerHeld,
      isFirstSealed: this.#isFirstSealed,
    });
    this.#isFirstSealed = false;
    if (route !== 'up') this.#onOwn(route, payload);
    else if (!this.#isLeaving) this.handlers.onMessage(payload);
  }

  #onOwn(route: Exclude<Route, 'up'>, payload: Buffer): void {
    switch (route) {
      case 'exchange':
        this.#onExchange(payload);
        return;
      case 'disconnect':
        this.#end.finish(errorOfDisconnect(payload));
        return;
      case 'extensions':
        this.peerSignatureAlgorithms = parseExtInfo(payload) ?? this.peerSignatureAlgorithms;
        return;
      case 'ping':
        this.send(Uint8Array.of(MSG.pong), payload.subarray(1));
        return;
      case 'unimplemented':
        this.send(unimplemented(this.#reader.lastSequence));
        return;
      case 'refuse':
        throw protocolError(`message ${payload[0] ?? 0} is not allowed now`);
      case 'ignore':
    }
  }

  #onExchange(payload: Buffer): void {
    if (!this.#keys.onMessage(payload) || this.#stage !== 'first-keys') return;
    this.#stage = 'login';
    this.#isFirstSealed = true;
    this.#options.onReady(this);
  }

  #useSealer(sealer: Sealer): void {
    const { memory } = this.#keys;
    this.#out.changeKeys(sealer, memory.isStrict);
    // RFC 8308 2.4: the very first message under the first keys.
    const isFirst = this.#stage === 'first-keys' && this.role === 'server' && memory.peerTakesExtensions;
    if (isFirst) this.#out.send([encodeExtInfo()], false);
    this.#out.release();
  }

  #refreshKeys(): void {
    if (this.#stage === 'open') this.#keys.refresh(this.#reader, this.#out);
  }

  #onGraceOver(): void {
    const seconds = this.#options.limits.loginGraceMs / 1000;
    this.#fail(failure('UNAVAILABLE', DISCONNECT.connectionLost, `no login within ${seconds} s`));
  }

  #onEnd(): void {
    // What had arrived before is dealt with first, also when that is not before `resume`.
    if (this.#isPaused || this.#isPumping) return;
    this.#end.destroy(new GatehouseError('UNAVAILABLE', 'the connection was cut by the other end'));
  }

  #onClose(error: GatehouseError | undefined): void {
    this.#grace?.cancel();
    this.#keys.close();
    this.#out.discard();
    try {
      this.handlers.onClose(error);
    } catch (err) {
      this.#options.log.error({ err }, 'the end of an SSH connection was not dealt with');
    }
  }

  #fail(error: GatehouseError): void {
    if (this.#end.isEnding) return;
    this.#out.discard();
    if (this.#version === undefined) {
      const { code, message } = tellable(error);
      this.#out.send([encodeDisconnect(code, message)], false);
    }
    this.#out.flush();
    this.#end.finish(error);
  }

  #guard(run: () => void): void {
    try {
      run();
    } catch (error) {
      if (isCode(error)) this.#fail(error);
      else {
        this.#options.log.error({ err: error }, 'SSH connection failed');
        this.#fail(new GatehouseError('INTERNAL', 'the connection failed', { cause: error }));
      }
    }
  }
}

function unimplemented(sequence: number): Buffer {
  const message = Buffer.allocUnsafe(5);
  message[0] = MSG.unimplemented;
  message.writeUInt32BE(sequence, 1);
  return message;
}
