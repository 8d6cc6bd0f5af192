// The transport of one SSH connection (RFC 4253): versions, exchanges of keys, and whole messages in between. What
// belongs to it is dealt with here; the layer above gets only what the peer may say at this point (route.ts).
import type { Timer } from '#core/clock.ts';
import { GatehouseError, isCode } from '#core/errors/error.ts';
import { MAX_BYTES_BEFORE_LOGIN } from '../limits.ts';
import { DISCONNECT, MSG } from '../messages.ts';
import type { Transport, TransportHandlers, TransportOptions } from '../transport-contract.ts';
import { HOST_KEY_ALGORITHMS } from './algorithms.ts';
import { encodeDisconnect, errorOfDisconnect, tellable } from './disconnect.ts';
import { Exchange, type KexContext, type KexMemory } from './exchange.ts';
import { encodeExtInfo, parseExtInfo } from './ext-info.ts';
import { failure, protocolError } from './failure.ts';
import { hostKeyAlgorithms } from './host-key.ts';
import { Outbound } from './outbound.ts';
import type { Opener, Sealer } from './packet-cipher.ts';
import { PacketReader } from './packet-reader.ts';
import { routeOf, type Moment } from './route.ts';
import { SocketEnd } from './socket-end.ts';
import { OUR_VERSION, prefersGcm, VersionReader } from './version-line.ts';

/** How long a server waits for the client's lists before it sends its own, see docs/decisions/0007-ssh-transport.md. */
const WAIT_FOR_LISTS_MS = 200;
/** Far below 2^32, where sequence numbers would repeat. */
const MAX_PACKETS_PER_KEY = 2 ** 30;

/** Starts at once: the version line is written before it returns. INTERNAL for a server without a usable host key. */
export function openTransport(options: TransportOptions): Transport {
  return new SshTransport(options);
}

class SshTransport implements Transport {
  readonly role: 'server' | 'client';
  handlers: TransportHandlers;
  peerSignatureAlgorithms: readonly string[] | undefined;

  readonly #options: TransportOptions;
  readonly #kex: KexContext;
  readonly #memory: KexMemory;
  readonly #reader = new PacketReader();
  readonly #out: Outbound;
  readonly #end: SocketEnd;
  #version: VersionReader | undefined;
  #exchange: Exchange | undefined;
  #stage: Moment['stage'] = 'first-keys';
  #grace: Timer | undefined;
  #exchangeTimer: Timer | undefined;
  #keysSince: number;
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
    this.#kex = kexContext(options, this);
    this.#memory = this.#kex.memory;
    this.#version = new VersionReader(role);
    this.#keysSince = clock.now();
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
    this.#grace = clock.after(limits.loginGraceMs, () => {
      const { loginGraceMs } = limits;
      this.#fail(
        failure('UNAVAILABLE', DISCONNECT.byApplication, `no login within ${loginGraceMs / 1000} s`),
      );
    });
    this.#out.sendRaw(Buffer.from(`${OUR_VERSION}\r\n`, 'latin1'));
    this.#exchange = new Exchange(this.#kex, true);
    if (role === 'client') this.#exchange.start();
  }

  get peerVersion(): string {
    return this.#memory.peerVersion;
  }

  get sessionId(): Uint8Array {
    return this.#memory.sessionId ?? new Uint8Array(0);
  }

  send(...parts: readonly Uint8Array[]): boolean {
    if (this.#isLeaving || this.#end.isEnding) return false;
    this.#refreshKeys();
    return this.#out.send(parts, this.#isHeld());
  }

  sendData(head: Uint8Array, data: Uint8Array): boolean {
    if (this.#isLeaving || this.#end.isEnding) return false;
    this.#refreshKeys();
    return this.#isHeld() ? this.#out.send([head, data], true) : this.#out.sendData(head, data);
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
    this.#end.finishWithin(
      code === DISCONNECT.byApplication ? undefined : failure('UNAVAILABLE', code, message),
    );
    this.#out.sayLast(encodeDisconnect(code, message));
    if (!this.#isHeld()) this.#out.release();
  }

  destroy(error?: GatehouseError): void {
    this.#end.destroy(error);
  }

  /* What the exchange of keys asks for. */

  sendNow(payload: Uint8Array): void {
    this.#out.send([payload], false);
  }

  useSealer(sealer: Sealer): void {
    this.#out.changeKeys(sealer, this.#memory.isStrict);
    const isFirst = this.#stage === 'first-keys';
    if (isFirst && this.role === 'server' && this.#memory.peerTakesExtensions) this.sendNow(encodeExtInfo());
    this.#out.release();
  }

  useOpener(opener: Opener): void {
    this.#reader.changeKeys(opener, this.#memory.isStrict);
  }

  /* Bytes in. */

  #onData(chunk: Buffer): void {
    if (this.#end.isEnding) return;
    this.#guard(() => {
      if (this.#stage !== 'open') {
        this.#bytesBeforeLogin += chunk.length;
        if (this.#bytesBeforeLogin > MAX_BYTES_BEFORE_LOGIN) {
          throw failure('LIMIT_EXCEEDED', DISCONNECT.protocolError, 'too many bytes before the login');
        }
      }
      if (this.#version === undefined) this.#reader.push(chunk);
      else this.#readVersion(this.#version, chunk);
    });
    this.#pump();
  }

  #readVersion(reader: VersionReader, chunk: Buffer): void {
    const found = reader.push(chunk);
    if (found === undefined) return;
    this.#version = undefined;
    this.#memory.peerVersion = found.version;
    this.#reader.push(found.rest);
    if (this.role === 'client') return;
    const start = (): void => {
      if (this.#exchange?.hasStarted === false && !this.#end.isEnding) this.#exchange.start();
    };
    if (prefersGcm(found.version)) start();
    else this.#exchangeTimer = this.#options.clock.after(WAIT_FOR_LISTS_MS, start);
  }

  #pump(): void {
    if (this.#isPumping || this.#version !== undefined) return;
    this.#isPumping = true;
    this.#guard(() => {
      while (!this.#isPaused && !this.#end.isEnding) {
        const payload = this.#reader.next();
        if (payload === undefined) break;
        this.#onPacket(payload);
      }
    });
    this.#isPumping = false;
    if (this.#end.isPeerDone && !this.#isPaused) this.#onEnd();
  }

  #onPacket(payload: Buffer): void {
    const number = payload[0] ?? 0;
    const moment = {
      role: this.role,
      stage: this.#stage,
      isRekeying: this.#exchange?.hasTheirLists === true,
      isFirstSealed: this.#isFirstSealed,
    };
    this.#isFirstSealed = false;
    const route = routeOf(number, moment);
    if (route === 'up') {
      if (!this.#isLeaving) this.handlers.onMessage(payload);
      this.#refreshKeys();
      return;
    }
    this.#onOwn(route, number, payload);
  }

  #onOwn(route: ReturnType<typeof routeOf>, number: number, payload: Buffer): void {
    switch (route) {
      case 'exchange':
        return this.#onExchange(payload);
      case 'disconnect':
        return this.#end.finish(errorOfDisconnect(payload));
      case 'extensions':
        this.peerSignatureAlgorithms = parseExtInfo(payload) ?? this.peerSignatureAlgorithms;
        return;
      case 'ping':
        payload[0] = MSG.pong;
        return void this.send(payload);
      case 'unimplemented':
        return void this.send(unimplemented(this.#reader.lastSequence));
      case 'refuse':
        throw protocolError(`message ${number} is not allowed now`);
      default:
    }
  }

  #onExchange(payload: Buffer): void {
    this.#exchange ??= this.#newExchange();
    this.#exchange.onMessage(payload);
    if (!this.#exchange.isDone) return;
    this.#exchange = undefined;
    this.#exchangeTimer?.cancel();
    this.#exchangeTimer = undefined;
    this.#keysSince = this.#options.clock.now();
    if (this.#stage !== 'first-keys') return;
    this.#stage = 'login';
    this.#isFirstSealed = true;
    this.#options.onReady(this);
  }

  /* Keys that were used enough. */

  #isHeld(): boolean {
    const exchange = this.#exchange;
    return exchange !== undefined && exchange.hasStarted && !exchange.hasSealed;
  }

  #refreshKeys(): void {
    if (this.#exchange !== undefined || this.#stage !== 'open') return;
    const { clock, limits } = this.#options;
    const isUsedUp = ({ packets, bytes }: { packets: number; bytes: number }): boolean =>
      bytes >= limits.rekeyBytes || packets >= MAX_PACKETS_PER_KEY;
    const isDue =
      isUsedUp(this.#reader) || isUsedUp(this.#out) || clock.now() - this.#keysSince >= limits.rekeyMs;
    if (!isDue) return;
    this.#exchange = this.#newExchange();
    this.#exchange.start();
  }

  #newExchange(): Exchange {
    const { clock, limits } = this.#options;
    this.#exchangeTimer = clock.after(limits.loginGraceMs, () =>
      this.#fail(failure('UNAVAILABLE', DISCONNECT.keyExchangeFailed, 'the exchange of keys took too long')),
    );
    return new Exchange(this.#kex, false);
  }

  /* The end. */

  #onEnd(): void {
    // What had arrived before is dealt with first, also when that is not before `resume`.
    if (this.#isPaused || this.#isPumping) return;
    this.#end.destroy(new GatehouseError('UNAVAILABLE', 'the connection was cut by the other end'));
  }

  #onClose(error: GatehouseError | undefined): void {
    this.#grace?.cancel();
    this.#exchangeTimer?.cancel();
    this.#out.discard();
    this.handlers.onClose(error);
  }

  #fail(error: GatehouseError): void {
    if (this.#end.isEnding) return;
    const { code, message } = tellable(error);
    this.#out.discard();
    if (this.#version === undefined) this.#out.send([encodeDisconnect(code, message)], false);
    this.#out.flush();
    this.#end.finish(error);
  }

  #guard(run: () => void): void {
    try {
      run();
    } catch (error) {
      if (!isCode(error)) this.#options.log.error({ err: error }, 'SSH transport failed');
      this.#fail(
        isCode(error) ? error : new GatehouseError('INTERNAL', 'the connection failed', { cause: error }),
      );
    }
  }
}

function kexContext(
  { role, hostKeys, hostAlgorithms, verifyHost }: TransportOptions,
  transport: SshTransport,
): KexContext {
  if (role === 'server' && hostKeyAlgorithms(hostKeys ?? []).length === 0) {
    throw new GatehouseError('INTERNAL', 'an SSH server needs a host key');
  }
  return {
    role,
    hostKeys: hostKeys ?? [],
    hostAlgorithms: hostAlgorithms ?? HOST_KEY_ALGORITHMS,
    verifyHost: verifyHost ?? refuseHost,
    memory: {
      ownVersion: OUR_VERSION,
      peerVersion: '',
      isStrict: false,
      peerTakesExtensions: false,
      gcmOnly: false,
      sessionId: undefined,
      hostBlob: undefined,
    },
    send: (payload) => transport.sendNow(payload),
    useSealer: (sealer) => transport.useSealer(sealer),
    useOpener: (opener) => transport.useOpener(opener),
  };
}

function refuseHost(): never {
  throw failure(
    'CERTIFICATE_INVALID',
    DISCONNECT.hostKeyNotVerifiable,
    'there is nobody to judge the host key',
  );
}

function unimplemented(sequence: number): Buffer {
  const message = Buffer.allocUnsafe(5);
  message[0] = MSG.unimplemented;
  message.writeUInt32BE(sequence, 1);
  return message;
}
