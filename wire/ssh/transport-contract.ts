// What the connection layer needs of the transport below it: whole messages, in order, enciphered and authentic.
// A contract of its own because the two halves are tested apart: messages without ciphers, ciphers without channels.
import type { Duplex } from 'node:stream';
import type { Clock } from '#core/clock.ts';
import type { GatehouseError } from '#core/errors/error.ts';
import type { Log } from '#core/log.ts';
import type { SshKey, SshLimits } from './ssh.ts';

/** What `openTransport` (transport/transport.ts) takes. It owns the socket from then on. */
export interface TransportOptions {
  readonly role: 'server' | 'client';
  readonly socket: Duplex;
  readonly clock: Clock;
  readonly log: Log;
  readonly limits: SshLimits;
  /** Server: at least one, in order of preference. */
  readonly hostKeys?: readonly SshKey[];
  /** Client: throws to refuse. Called before the host's signature is verified; both must hold before `onReady`. */
  readonly verifyHost?: (offered: { readonly algorithm: string; readonly blob: Uint8Array }) => void;
  readonly hostAlgorithms?: readonly string[];
  /** The first handlers; `onClose` is called also when the connection ends before it is ready. */
  readonly handlers: TransportHandlers;
  /** Once, when the first keys are in use both ways: messages may be sent from here on, and none arrived before. */
  readonly onReady: (transport: Transport) => void;
}

export interface TransportHandlers {
  /**
   * One message (RFC 4253 6: the payload, number first) that is not the transport's own and that the peer's role may
   * send now: before `authenticated()` a server gets 5 and 50 only, a client 6 and 51 to 79; afterwards both get 80 to
   * 127 only. All others are dealt with below. The memory stays valid after the call. A throw ends the connection with
   * a protocol error.
   */
  onMessage(payload: Buffer): void;
  /** Room in the socket again after `send` said false. */
  onDrain(): void;
  /**
   * Once, the last call, when the socket is closed. An error unless either end disconnected with code 11. Codes:
   * UNAVAILABLE (cut, timed out, peer's reason in `details.reason`), BAD_REQUEST (the peer broke the protocol),
   * LIMIT_EXCEEDED, NOT_SUPPORTED (no common algorithm), CERTIFICATE_INVALID or what verifyHost threw.
   */
  onClose(error: GatehouseError | undefined): void;
}

export interface Transport {
  readonly role: 'server' | 'client';
  readonly peerVersion: string;
  readonly sessionId: Uint8Array;
  /** The signature algorithms of the peer's server-sig-algs extension (RFC 8308), once known. */
  readonly peerSignatureAlgorithms: readonly string[] | undefined;
  /** May be replaced at any time; the options give the first. */
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
  /** Stops and resumes reading: no message comes while paused, also none that had arrived. */
  pause(): void;
  resume(): void;
  /** Says why and ends; what was sent before goes out first, for at most a second. Code 11 is in order, others are errors. */
  disconnect(code: number, message: string): void;
  /** Ends at once. */
  destroy(error?: GatehouseError): void;
}
