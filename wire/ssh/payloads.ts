// What the requests and openings of SSH carry: RFC 4254 and OpenSSH's PROTOCOL. Each is a codec with encode and decode,
// named after its request or channel type; both ends use the same. Terminal modes are in terminal-modes.ts.
import { bytes, flag, payload, text, uint32, type PayloadCodec } from './payload-codec.ts';

const MAX_TERM_BYTES = 64;
const MAX_MODES_BYTES = 2048;
const MAX_ENV_NAME_BYTES = 256;
const MAX_ENV_VALUE_BYTES = 16 * 1024;
/** Linux takes no argument that is longer. */
const MAX_COMMAND_BYTES = 128 * 1024;
const MAX_SUBSYSTEM_BYTES = 1024;
const MAX_SIGNAL_BYTES = 32;
const MAX_MESSAGE_BYTES = 8 * 1024;
const MAX_LANGUAGE_BYTES = 64;
/** A DNS name has at most 255, an address with its zone less. */
const MAX_HOST_BYTES = 255;
/** Linux: 108 with the NUL; others a little more. */
const MAX_PATH_BYTES = 1024;
const MAX_COOKIE_BYTES = 512;

export interface PtyRequest {
  readonly term: string;
  readonly columns: number;
  readonly rows: number;
  readonly widthPixels: number;
  readonly heightPixels: number;
  /** See terminal-modes.ts. */
  readonly modes: Uint8Array;
}
export const ptyRequest: PayloadCodec<PtyRequest> = payload('pty-req', {
  term: text(MAX_TERM_BYTES),
  columns: uint32,
  rows: uint32,
  widthPixels: uint32,
  heightPixels: uint32,
  modes: bytes(MAX_MODES_BYTES),
});

export interface WindowChange {
  readonly columns: number;
  readonly rows: number;
  readonly widthPixels: number;
  readonly heightPixels: number;
}
export const windowChange: PayloadCodec<WindowChange> = payload('window-change', {
  columns: uint32,
  rows: uint32,
  widthPixels: uint32,
  heightPixels: uint32,
});

export const envRequest: PayloadCodec<{ readonly name: string; readonly value: string }> = payload('env', {
  name: text(MAX_ENV_NAME_BYTES),
  value: text(MAX_ENV_VALUE_BYTES),
});

export const execRequest: PayloadCodec<{ readonly command: string }> = payload('exec', {
  command: text(MAX_COMMAND_BYTES),
});

export const subsystemRequest: PayloadCodec<{ readonly name: string }> = payload('subsystem', {
  name: text(MAX_SUBSYSTEM_BYTES),
});

/** A signal's name has no SIG in front. */
export const signalRequest: PayloadCodec<{ readonly signal: string }> = payload('signal', {
  signal: text(MAX_SIGNAL_BYTES),
});

export const exitStatus: PayloadCodec<{ readonly code: number }> = payload('exit-status', { code: uint32 });

export interface ExitSignal {
  /** Without SIG. */
  readonly signal: string;
  readonly coreDumped: boolean;
  readonly message: string;
  readonly language: string;
}
export const exitSignal: PayloadCodec<ExitSignal> = payload('exit-signal', {
  signal: text(MAX_SIGNAL_BYTES),
  coreDumped: flag,
  message: text(MAX_MESSAGE_BYTES),
  language: text(MAX_LANGUAGE_BYTES),
});

export interface X11Request {
  readonly singleConnection: boolean;
  readonly protocol: string;
  /** In hexadecimal digits. */
  readonly cookie: string;
  readonly screen: number;
}
export const x11Request: PayloadCodec<X11Request> = payload('x11-req', {
  singleConnection: flag,
  protocol: text(MAX_COOKIE_BYTES),
  cookie: text(MAX_COOKIE_BYTES),
  screen: uint32,
});

/** A host and port; ports are not checked against 65535 here. */
export interface Origin {
  readonly originHost: string;
  readonly originPort: number;
}

/** Opens an `x11` channel. */
export const x11Open: PayloadCodec<Origin> = payload('x11', {
  originHost: text(MAX_HOST_BYTES),
  originPort: uint32,
});

export interface TcpOpen extends Origin {
  readonly host: string;
  readonly port: number;
}
const tcpOpen = {
  host: text(MAX_HOST_BYTES),
  port: uint32,
  originHost: text(MAX_HOST_BYTES),
  originPort: uint32,
};
export const directTcpip: PayloadCodec<TcpOpen> = payload('direct-tcpip', tcpOpen);
/** `host` and `port` are what was asked for with tcpip-forward. */
export const forwardedTcpip: PayloadCodec<TcpOpen> = payload('forwarded-tcpip', tcpOpen);

/** Both global requests: tcpip-forward and cancel-tcpip-forward. */
export const tcpipForward: PayloadCodec<{ readonly host: string; readonly port: number }> = payload(
  'tcpip-forward',
  { host: text(MAX_HOST_BYTES), port: uint32 },
);

/** The reply to tcpip-forward for port 0. */
export const boundPort: PayloadCodec<{ readonly port: number }> = payload('tcpip-forward', { port: uint32 });

/** Both global requests: streamlocal-forward@openssh.com and cancel-streamlocal-forward@openssh.com. */
export const streamlocalForward: PayloadCodec<{ readonly path: string }> = payload('streamlocal-forward', {
  path: text(MAX_PATH_BYTES),
});

export interface DirectStreamlocal {
  readonly path: string;
  readonly reservedText: string;
  readonly reservedNumber: number;
}
/** Opens direct-streamlocal@openssh.com; what is reserved is empty and 0, and what comes there has no meaning. */
export const directStreamlocal: PayloadCodec<DirectStreamlocal> = payload('direct-streamlocal', {
  path: text(MAX_PATH_BYTES),
  reservedText: text(MAX_HOST_BYTES),
  reservedNumber: uint32,
});

export interface ForwardedStreamlocal {
  readonly path: string;
  readonly reserved: string;
}
/** Opens forwarded-streamlocal@openssh.com; `path` is what was asked for with streamlocal-forward. */
export const forwardedStreamlocal: PayloadCodec<ForwardedStreamlocal> = payload('forwarded-streamlocal', {
  path: text(MAX_PATH_BYTES),
  reserved: text(MAX_HOST_BYTES),
});

/** `session`, `shell`, auth-agent-req@openssh.com, auth-agent@openssh.com and the like: nothing, and nothing else. */
export const emptyPayload: PayloadCodec<object> = payload('the request', {});
