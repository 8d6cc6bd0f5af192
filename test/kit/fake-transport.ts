// An SSH transport without ciphers or sockets, for tests of what is above it: a test reads the messages that were sent
// and puts in others, or joins two ends. Whatever a handler throws ends it, as in the real one.
import { GatehouseError, isCode } from '#core/errors/error.ts';
import type { Transport, TransportHandlers } from '#wire/ssh/transport-contract.ts';

const SESSION_ID = Buffer.from('0123456789abcdef0123456789abcdef');

export class FakeTransport implements Transport {
  readonly role: 'server' | 'client';
  readonly peerVersion = 'SSH-2.0-fake';
  sessionId: Uint8Array = SESSION_ID;
  peerSignatureAlgorithms: readonly string[] | undefined;
  handlers: TransportHandlers;
  /** What was sent and not taken by the test yet. */
  sent: Buffer[] = [];
  /** What `send` says. */
  hasRoom = true;
  isPaused = false;
  isAuthenticated = false;
  /** Why it ended: what was thrown, the code of a disconnect, or undefined. */
  ended: { readonly error: unknown; readonly disconnect?: number } | undefined;
  #paused: Buffer[] = [];
  onSent: (() => void) | undefined;

  constructor(role: 'server' | 'client', handlers: Partial<TransportHandlers> = {}) {
    this.role = role;
    this.handlers = { onMessage() {}, onDrain() {}, onClose() {}, ...handlers };
  }

  send(...parts: readonly Uint8Array[]): boolean {
    if (this.ended !== undefined) return false;
    this.sent.push(Buffer.concat(parts));
    this.onSent?.();
    return this.hasRoom;
  }

  sendData(head: Uint8Array, data: Uint8Array): boolean {
    return this.send(head, data);
  }

  authenticated(): void {
    this.isAuthenticated = true;
  }

  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    this.isPaused = false;
    for (const message of this.#paused.splice(0)) this.receive(message);
  }

  disconnect(code: number, message: string): void {
    const error = code === 11 ? undefined : new GatehouseError('UNAVAILABLE', message);
    this.#end(error, code);
  }

  destroy(error?: GatehouseError): void {
    this.#end(error);
  }

  /** A message of the peer. */
  receive(...parts: readonly Uint8Array[]): void {
    const message = Buffer.concat(parts);
    if (this.ended !== undefined) return;
    if (this.isPaused) {
      this.#paused.push(message);
      return;
    }
    try {
      this.handlers.onMessage(message);
    } catch (error) {
      this.#end(error);
    }
  }

  drain(): void {
    this.hasRoom = true;
    this.handlers.onDrain();
  }

  /** What was sent since the last call. */
  take(): Buffer[] {
    return this.sent.splice(0);
  }

  #end(error: unknown, disconnect?: number): void {
    if (this.ended !== undefined) return;
    this.ended = { error, ...(disconnect === undefined ? {} : { disconnect }) };
    const known = isCode(error) ? error : new GatehouseError('INTERNAL', 'failed', { cause: error });
    this.handlers.onClose(error === undefined ? undefined : known);
  }
}
