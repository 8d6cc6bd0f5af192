// Who is logged in, for who(1), w(1) and last(1): records in utmp and wtmp, where the machine still keeps them. Nobody
// depends on them but people at a prompt, so whatever goes wrong is passed over. The form is glibc's struct utmp.
import { closeSync, constants, fstatSync, openSync, readSync, writeSync } from 'node:fs';

export interface LoginRecord {
  /** Such as pts/3. */
  readonly line: string;
  readonly name: string;
  /** Address of the client. */
  readonly host: string;
  readonly pid: number;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

export interface LoginFiles {
  readonly utmp: string;
  readonly wtmp: string;
}

const FILES: LoginFiles = { utmp: '/run/utmp', wtmp: '/var/log/wtmp' };
const USER_PROCESS = 7;
const DEAD_PROCESS = 8;
/** Bytes of a record, and whether its times are 64 bits wide. */
const LAYOUTS: Readonly<
  Partial<Record<NodeJS.Architecture, { readonly bytes: number; readonly wide: boolean }>>
> = {
  x64: { bytes: 384, wide: false },
  arm64: { bytes: 400, wide: true },
};
const LINE_AT = 8;
const LINE_BYTES = 32;
const ID_AT = 40;
const ID_BYTES = 4;
const NAME_AT = 44;
const NAME_BYTES = 32;
const HOST_AT = 76;
const HOST_BYTES = 256;
const SESSION_AT = 336;
const MAX_UTMP_BYTES = 4 * 1024 ** 2;

/** Never throws. */
export function recordLogin(record: LoginRecord, files: LoginFiles = FILES): void {
  put(encodeLogin(USER_PROCESS, record), files);
}

/** The same record again, at the end. Never throws. */
export function recordLogout(record: LoginRecord, files: LoginFiles = FILES): void {
  put(encodeLogin(DEAD_PROCESS, { ...record, name: '', host: '' }), files);
}

/** Undefined on a machine whose form is not known. */
export function encodeLogin(
  type: number,
  { line, name, host, pid, now }: LoginRecord,
  arch: NodeJS.Architecture = process.arch,
): Buffer | undefined {
  const layout = LAYOUTS[arch];
  if (layout === undefined) return undefined;
  const record = Buffer.alloc(layout.bytes);
  record.writeInt16LE(type, 0);
  record.writeInt32LE(pid, 4);
  record.write(line, LINE_AT, LINE_BYTES);
  // As login programs have it: the end of the line's name tells terminals apart.
  record.write(line.replace('/', '').slice(-ID_BYTES), ID_AT, ID_BYTES);
  record.write(name, NAME_AT, NAME_BYTES);
  record.write(host, HOST_AT, HOST_BYTES);
  const seconds = Math.floor(now / 1000);
  const micros = (now % 1000) * 1000;
  if (layout.wide) {
    record.writeBigInt64LE(BigInt(pid), SESSION_AT);
    record.writeBigInt64LE(BigInt(seconds), SESSION_AT + 8);
    record.writeBigInt64LE(BigInt(micros), SESSION_AT + 16);
  } else {
    record.writeInt32LE(pid, SESSION_AT);
    record.writeInt32LE(seconds, SESSION_AT + 4);
    record.writeInt32LE(micros, SESSION_AT + 8);
  }
  return record;
}

function put(record: Buffer | undefined, { utmp, wtmp }: LoginFiles): void {
  if (record === undefined) return;
  quietly(utmp, constants.O_RDWR, (file) => writeSync(file, record, 0, record.length, slotOf(file, record)));
  quietly(wtmp, constants.O_WRONLY | constants.O_APPEND, (file) => writeSync(file, record));
}

/** Where the record of this terminal is, or the end of the file. */
function slotOf(file: number, record: Buffer): number {
  const { size } = fstatSync(file);
  const bytes = Buffer.alloc(Math.min(size, MAX_UTMP_BYTES));
  const end = readSync(file, bytes, 0, bytes.length, 0);
  const id = record.subarray(ID_AT, ID_AT + ID_BYTES);
  for (let at = 0; at + record.length <= end; at += record.length) {
    const type = bytes.readInt16LE(at);
    const isLogin = type >= 5 && type <= DEAD_PROCESS;
    if (isLogin && bytes.subarray(at + ID_AT, at + ID_AT + ID_BYTES).equals(id)) return at;
  }
  return size - (size % record.length);
}

function quietly(path: string, flags: number, write: (file: number) => void): void {
  try {
    const file = openSync(path, flags | constants.O_NOFOLLOW);
    try {
      write(file);
    } finally {
      closeSync(file);
    }
  } catch {
    // Not there, or not ours to write.
  }
}
