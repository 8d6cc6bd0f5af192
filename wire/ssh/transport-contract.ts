// What the connection layer needs of the transport below it: whole messages, in order, enciphered and authentic.
// A contract of its own because the two halves are tested apart: messages without ciphers, ciphers without channels.
import type { GatehouseError } from '#core/errors/error.ts';

export interface TransportHandlers {
  /**
   * One message (RFC 4253 6: the payload, number first) that is not the transport's own. The memory stays valid after
   * the call. A throw ends the connection with a protocol error.
   */
  onMessage(payload: Buffer): void;
  /** Room in the socket again after `send` said false. */
  onDrain(): void;
  /** Once. An error unless the peer or this end disconnected in order. */
  onClose(error: GatehouseError | undefined): void;
}

export interface Transport {
  readonly role: 'server' | 'client';
  readonly peerVersion: string;
  readonly sessionId: Uint8Array;
  /** The signature algorithms of the peer's server-sig-algs extension (RFC 8308), once known. */
  readonly peerSignatureAlgorithms: readonly string[] | undefined;
  /** To be set before the first message can arrive. */
  handlers: TransportHandlers;
  /**
   * Sends one message made of parts (joined without an intermediate copy); false when more than `outboundBytes` wait.
   * Messages that are sent while keys are exchanged wait for the new keys and count as waiting.
   */
  send(...parts: readonly Uint8Array[]): boolean;
  /** Sends MSG_DATA-like messages: `head` (a few bytes) and up to 32 KiB of `data`; the hot path. */
  sendData(head: Uint8Array, data: Uint8Array): boolean;
  /** To be called by the connection layer when the client is authenticated: login limits end, EXT_INFO and zlib questions close. */
  authenticated(): void;
  /** Stops and resumes reading from the socket. */
  pause(): void;
  resume(): void;
  disconnect(code: number, message: string): void;
  /** Ends at once. */
  destroy(error?: GatehouseError): void;
}
