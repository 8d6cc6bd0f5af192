// The words of the PostgreSQL protocol, version 3: type bytes, request codes and limits. Apart so that both directions and
// both ends speak of the same.

/** Type bytes that clients send. */
export const CLIENT = {
  bind: 0x42,
  close: 0x43,
  copyData: 0x64,
  copyDone: 0x63,
  copyFail: 0x66,
  describe: 0x44,
  execute: 0x45,
  flush: 0x48,
  functionCall: 0x46,
  parse: 0x50,
  password: 0x70,
  query: 0x51,
  sync: 0x53,
  terminate: 0x58,
} as const;

/** Type bytes that servers send. */
export const SERVER = {
  authentication: 0x52,
  backendKeyData: 0x4b,
  bindComplete: 0x32,
  closeComplete: 0x33,
  commandComplete: 0x43,
  copyBoth: 0x57,
  copyData: 0x64,
  copyDone: 0x63,
  copyIn: 0x47,
  copyOut: 0x48,
  dataRow: 0x44,
  emptyQuery: 0x49,
  error: 0x45,
  functionResult: 0x56,
  negotiate: 0x76,
  noData: 0x6e,
  notice: 0x4e,
  notification: 0x41,
  parameterDescription: 0x74,
  parameterStatus: 0x53,
  parseComplete: 0x31,
  portalSuspended: 0x73,
  ready: 0x5a,
  rowDescription: 0x54,
} as const;

export const SSL_REQUEST = 80877103;
export const GSS_REQUEST = 80877104;
export const CANCEL_REQUEST = 80877102;
export const PROTOCOL_MAJOR = 3;

/** What PostgreSQL takes for a startup packet. */
export const MAX_STARTUP_BYTES = 10_000;
/** What PostgreSQL takes for a message with data in it, and for the others. */
export const MAX_LARGE_BYTES = 0x3fff_ffff;
export const MAX_SMALL_BYTES = 10_000;
/** Longer names of users and databases are cut by PostgreSQL before it looks them up. */
export const MAX_NAME_BYTES = 63;
