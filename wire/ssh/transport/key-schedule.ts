// When keys are exchanged: at the start, when they were used enough, and when the peer asks. Holds the exchange that goes
// on, and what has to outlive it. Nothing runs while a connection is idle: keys are as old as their use.
import type { Timer } from '#core/clock.ts';
import { GatehouseError } from '#core/errors/error.ts';
import { DISCONNECT } from '../messages.ts';
import type { TransportOptions } from '../transport-contract.ts';
import { HOST_KEY_ALGORITHMS } from './algorithms.ts';
import { Exchange, type KexContext, type KexMemory } from './exchange.ts';
import { failure } from './failure.ts';
import { hostKeyAlgorithms } from './host-key.ts';
import { OUR_VERSION, prefersGcm } from './version-line.ts';

/** How long a server waits for the client's lists before it sends its own, see docs/decisions/0007-ssh-transport.md. */
const WAIT_FOR_LISTS_MS = 200;
/** Far below 2^32, where sequence numbers would repeat. */
const MAX_PACKETS_PER_KEY = 2 ** 30;

export interface KeyUse {
  readonly packets: number;
  readonly bytes: number;
}

export type KeyEvents = Pick<KexContext, 'send' | 'useSealer' | 'useOpener'> & {
  onTimeout(error: GatehouseError): void;
};

export class KeySchedule {
  readonly memory: KexMemory;
  readonly #options: TransportOptions;
  readonly #context: KexContext;
  readonly #events: KeyEvents;
  #exchange: Exchange | undefined;
  #timer: Timer | undefined;
  #since: number;

  constructor(options: TransportOptions, events: KeyEvents) {
    this.#options = options;
    this.#events = events;
    this.#context = contextOf(options, events);
    this.memory = this.#context.memory;
    this.#since = options.clock.now();
    this.#exchange = new Exchange(this.#context, true);
  }

  /** Between this end's KEXINIT and its NEWKEYS, when nothing else may be sent. */
  get isHeld(): boolean {
    const exchange = this.#exchange;
    return exchange !== undefined && exchange.hasStarted && !exchange.hasSealed;
  }

  /** Between the peer's KEXINIT and its NEWKEYS, when it may send nothing else. */
  get isPeerHeld(): boolean {
    return this.#exchange?.hasTheirLists === true;
  }

  /** Sends the first lists: a client at once, a server when it knows what the client can, or has waited. */
  begin(): void {
    if (this.#exchange?.hasStarted === false) this.#exchange.start();
  }

  onPeerVersion(version: string): void {
    this.memory.peerVersion = version;
    if (this.#options.role === 'server' && prefersGcm(version)) this.begin();
    else if (this.#options.role === 'server') {
      this.#timer = this.#options.clock.after(WAIT_FOR_LISTS_MS, () => this.begin());
    }
  }

  /** True when this message was the last of an exchange. Throws what ends the connection. */
  onMessage(payload: Buffer): boolean {
    this.#exchange ??= this.#next();
    this.#exchange.onMessage(payload);
    if (!this.#exchange.isDone) return false;
    this.#exchange = undefined;
    this.close();
    this.#since = this.#options.clock.now();
    return true;
  }

  /** Begins an exchange when the keys of either direction were used enough. */
  refresh(inward: KeyUse, outward: KeyUse): void {
    if (this.#exchange !== undefined) return;
    const { clock, limits } = this.#options;
    const isUsedUp = (use: KeyUse): boolean =>
      use.bytes >= limits.rekeyBytes || use.packets >= MAX_PACKETS_PER_KEY;
    if (!isUsedUp(inward) && !isUsedUp(outward) && clock.now() - this.#since < limits.rekeyMs) return;
    this.#exchange = this.#next();
    this.#exchange.start();
  }

  /** Stops the timer. */
  close(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #next(): Exchange {
    const { clock, limits } = this.#options;
    const error = failure('UNAVAILABLE', DISCONNECT.keyExchangeFailed, 'the exchange of keys took too long');
    this.#timer = clock.after(limits.loginGraceMs, () => this.#events.onTimeout(error));
    return new Exchange(this.#context, false);
  }
}

function contextOf(options: TransportOptions, events: KeyEvents): KexContext {
  const { role, hostKeys = [], hostAlgorithms = HOST_KEY_ALGORITHMS, verifyHost = refuseHost } = options;
  if (role === 'server' && hostKeyAlgorithms(hostKeys).length === 0) {
    throw new GatehouseError('INTERNAL', 'an SSH server needs a host key');
  }
  const memory: KexMemory = {
    ownVersion: OUR_VERSION,
    peerVersion: '',
    isStrict: false,
    peerTakesExtensions: false,
    gcmOnly: false,
    sessionId: undefined,
    hostBlob: undefined,
  };
  const { send, useSealer, useOpener } = events;
  return { role, hostKeys, hostAlgorithms, verifyHost, memory, send, useSealer, useOpener };
}

function refuseHost(): never {
  throw failure(
    'CERTIFICATE_INVALID',
    DISCONNECT.hostKeyNotVerifiable,
    'there is nobody to judge the host key',
  );
}
