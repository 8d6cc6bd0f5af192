// The contract of an SSH connection, the same for both ends: what the rooms above see of wire/ssh. Bytes travel through
// callbacks and not streams, because an idle session costs memory and a busy one costs calls; `channel-stream.ts` makes
// a Duplex of a channel for those who want one.
import type { KeyObject } from 'node:crypto';
import type { Duplex } from 'node:stream';
import type { Clock } from '#core/clock.ts';
import type { GatehouseError } from '#core/errors/error.ts';
import type { Log } from '#core/log.ts';

/** A key this end proves itself with; with a certificate (wire blob) it is offered as that certificate only. */
export interface SshKey {
  readonly privateKey: KeyObject;
  readonly certificate?: Uint8Array;
}

export interface SshLimits {
  /** From the first byte to a successful authentication. Default 30 s. */
  readonly loginGraceMs: number;
  /** Refused attempts before the connection ends. Default 6. */
  readonly maxAuthTries: number;
  /** Channels open at a time. Default 256. */
  readonly maxChannels: number;
  /** What a peer may send on a channel before it is consumed. Default 2 MiB. */
  readonly windowBytes: number;
  /** What may wait for the socket of this connection before writers are told to stop. Default 1 MiB. */
  readonly outboundBytes: number;
  /** New keys after so many bytes in either direction, or so long. Defaults 16 GiB, 1 h. */
  readonly rekeyBytes: number;
  readonly rekeyMs: number;
  /** Keep-alive: after this long without a byte from the peer it is asked; 0 is never. Default 0. */
  readonly keepAliveMs: number;
  /** Unanswered questions in a row before the connection ends with UNAVAILABLE. Default 3. */
  readonly keepAliveCount: number;
}

interface CommonOptions {
  /** A connected socket, or any duplex of bytes. The connection owns it from now on: it reads, ends and destroys it. */
  readonly socket: Duplex;
  readonly clock: Clock;
  readonly log: Log;
  readonly limits?: Partial<SshLimits>;
}

/** What a client shows. It is asked twice: as an offer (`proven` false) and again once a signature over this session was verified. */
export interface PublicKeyOffer {
  readonly user: string;
  /** The negotiated algorithm, such as `rsa-sha2-512-cert-v01@openssh.com`. */
  readonly algorithm: string;
  /** A key or a certificate in wire form, not judged yet. */
  readonly blob: Uint8Array;
  readonly proven: boolean;
}

export type AuthAnswer<T> =
  | { readonly accept: true; readonly identity: T }
  /** `message` goes to the client in a banner, once; it must not say more than the user may know. */
  | { readonly accept: false; readonly message?: string };

export interface AcceptOptions<T> extends CommonOptions {
  /** In order of preference; presented by certificate where there is one. */
  readonly hostKeys: readonly SshKey[];
  /** Only a proven offer that is accepted ends authentication. A throw refuses. */
  readonly authenticate: (offer: PublicKeyOffer) => AuthAnswer<T> | Promise<AuthAnswer<T>>;
  /** Called once, when the client is authenticated, before any of its channels. */
  readonly serve: (connection: SshConnection, identity: T) => ConnectionHandlers;
  /** Told why a connection ended before it was authenticated. */
  readonly onRefused?: (error: GatehouseError, lastUser: string | undefined) => void;
}

export interface ConnectOptions extends CommonOptions {
  readonly user: string;
  /** Tried in order. `sign` (an agent) makes the signature blob of `algorithm` over `data`. */
  readonly keys: readonly (
    | SshKey
    | {
        readonly blob: Uint8Array;
        readonly algorithms: readonly string[];
        readonly sign: (algorithm: string, data: Uint8Array) => Promise<Uint8Array>;
      }
  )[];
  /**
   * Judges the host's key or certificate (wire blob), before its signature over the exchange is verified with exactly
   * that key; both must hold. Throw to refuse.
   */
  readonly verifyHost: (offered: { readonly algorithm: string; readonly blob: Uint8Array }) => void;
  /** Which host key algorithms are asked for; default: certificates, then plain keys. */
  readonly hostAlgorithms?: readonly string[];
  readonly handlers?: ConnectionHandlers;
  readonly onBanner?: (text: string) => void;
}

/** Payloads of openings and requests have at most 255 KiB; more is TOO_LARGE. */
export interface SshConnection {
  readonly peerVersion: string;
  /** The hash of the first key exchange, RFC 4253 7.2. */
  readonly sessionId: Uint8Array;
  /** Channels that are open in either direction. */
  readonly channelCount: number;
  /** When the peer last sent something on a channel, milliseconds since the epoch. */
  readonly lastInputAt: number;
  /** Rejects with ACCESS_DENIED (`details.reason` is the number of RFC 4254 5.1) when the peer refuses, UNAVAILABLE when the connection ends. */
  open(type: string, payload: Uint8Array, receiver: ChannelReceiver): Promise<Channel>;
  /** A global request. Undefined when the peer refuses it or does not know it; an empty reply is an empty array. */
  request(name: string, payload: Uint8Array): Promise<Uint8Array | undefined>;
  /** The same without an answer. */
  notify(name: string, payload: Uint8Array): void;
  /** One question to the other end and back (keepalive@openssh.com); false when the connection ended first. */
  probe(): Promise<boolean>;
  /** Says why (RFC 4253 11.1) and ends; what was written before goes out first, for at most a second. */
  disconnect(code: number, message: string): void;
  /** Resolves, never rejects, when the socket is closed; with an error unless either end closed in order. */
  readonly closed: Promise<GatehouseError | undefined>;
}

export interface ConnectionHandlers {
  /** Must call accept or reject, now or later. Left out: all are rejected. */
  readonly onChannel?: (opening: IncomingChannel) => void;
  /** True or bytes: success with that reply; false: failure. Left out: failure. */
  readonly onRequest?: (
    name: string,
    payload: Uint8Array,
  ) => boolean | Uint8Array | Promise<boolean | Uint8Array>;
}

export interface IncomingChannel {
  readonly type: string;
  readonly payload: Uint8Array;
  accept(receiver: ChannelReceiver, confirmation?: Uint8Array): Channel;
  /** RFC 4254 5.1: 1 prohibited, 2 connect failed, 3 unknown type, 4 resource shortage. */
  reject(code: number, message: string): void;
}

/** What the other end sends on a channel. No call comes before accept or open has returned the channel. */
export interface ChannelReceiver {
  /** The bytes are yours to keep. Say `channel.consumed(n)` once they are dealt with, or the peer stops. */
  onData?(data: Buffer): void;
  /** Extended data of type 1 (stderr). It counts against the same window. */
  onStderr?(data: Buffer): void;
  onEof?(): void;
  /** After `write` returned false: there is room again. */
  onDrain?(): void;
  /** Answered to the peer when it wants a reply. Requests of a channel are handled one after another. */
  onRequest?(name: string, payload: Uint8Array): boolean | Promise<boolean>;
  /** The last call, exactly once: both ends closed it, or the connection ended. */
  onClose?(): void;
}

export interface Channel {
  readonly isOpen: boolean;
  /** What may be written now without waiting. */
  readonly room: number;
  /**
   * Sends bytes; they are copied (or enciphered) before it returns, so the caller may reuse the memory. False: what was
   * given is taken, but stop until onDrain. Nothing happens after close.
   */
  write(data: Uint8Array): boolean;
  writeStderr(data: Uint8Array): boolean;
  /** Bytes given to onData or onStderr were dealt with. */
  consumed(bytes: number): void;
  /** False when the peer refuses it or the channel closes first. */
  request(name: string, payload: Uint8Array): Promise<boolean>;
  /** The same without an answer, such as `exit-status`. */
  notify(name: string, payload: Uint8Array): void;
  /** No more bytes from this end; what waits goes out first. */
  end(): void;
  /** Closes after what waits has gone out. Safe to call twice. */
  close(): void;
}
