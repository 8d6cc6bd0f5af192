// The packets of SFTP (numbers and names: #wire/sftp/protocol.ts) as a client reads and writes them. Bounded and pure: the
// server may be anybody's.
import { refuseInput } from '#core/certs/refusal.ts';
import { WireReader, WireWriter } from '#core/certs/ssh/wire.ts';
import { ATTR, REPLY, VERSION } from '#wire/sftp/protocol.ts';

/** Replies are no longer: OpenSSH's own limit. */
export const MAX_PACKET_BYTES = 256 * 1024;
const MAX_HANDLE_BYTES = 256;
const MAX_NAME_BYTES = 4096;
const MAX_TEXT_BYTES = 16 * 1024;
const MAX_ENTRIES = 10_000;
const MAX_EXTENSIONS = 64;

export interface Attributes {
  readonly size?: number;
  /** Type and permissions, as of stat(2). */
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  /** Seconds since the epoch. */
  readonly atime?: number;
  readonly mtime?: number;
}

export interface Entry {
  readonly name: string;
  readonly attributes: Attributes;
}

export type Reply =
  | { readonly is: 'status'; readonly code: number; readonly message: string }
  | { readonly is: 'handle'; readonly handle: Uint8Array }
  | { readonly is: 'data'; readonly data: Buffer }
  /** `skipped`: names that are not UTF-8, which cannot be asked for. */
  | { readonly is: 'name'; readonly entries: readonly Entry[]; readonly skipped: number }
  | { readonly is: 'attrs'; readonly attributes: Attributes }
  | { readonly is: 'extended'; readonly body: Uint8Array };

/** The extensions that the server names with its version. BAD_REQUEST when it is no SFTP server of version 3. */
export function readVersion(packet: Uint8Array): ReadonlyMap<string, string> {
  const reader = new WireReader(packet, refuseInput);
  if (reader.raw(1, 'the type')[0] !== REPLY.version) throw refuseInput('malformed', 'SFTP: no version');
  if (reader.uint32('the version') < VERSION) throw refuseInput('malformed', 'SFTP: the version is too old');
  const extensions = new Map<string, string>();
  while (!reader.isDone && extensions.size < MAX_EXTENSIONS) {
    extensions.set(
      reader.text('an extension', MAX_TEXT_BYTES),
      Buffer.from(reader.bytes('an extension', MAX_TEXT_BYTES)).toString('latin1'),
    );
  }
  return extensions;
}

/** BAD_REQUEST. `data` is a view of the packet. */
export function readReply(packet: Buffer): { readonly id: number; readonly reply: Reply } {
  const reader = new WireReader(packet, refuseInput);
  const [type = 0] = reader.raw(1, 'the type');
  const id = reader.uint32('the id');
  return { id, reply: readBody(type, reader, packet) };
}

function readBody(type: number, reader: WireReader, packet: Buffer): Reply {
  switch (type) {
    case REPLY.status: {
      const code = reader.uint32('the status');
      // Old servers leave the rest out.
      const message = reader.isDone ? '' : lenient(reader.bytes('the message', MAX_TEXT_BYTES));
      return { is: 'status', code, message };
    }
    case REPLY.handle:
      return { is: 'handle', handle: Uint8Array.from(reader.bytes('the handle', MAX_HANDLE_BYTES)) };
    case REPLY.data: {
      const data = reader.bytes('the data', MAX_PACKET_BYTES) as Buffer;
      reader.end('the data');
      return { is: 'data', data };
    }
    case REPLY.name:
      return readNames(reader);
    case REPLY.attrs:
      return { is: 'attrs', attributes: readAttributes(reader) };
    case REPLY.extended:
      return { is: 'extended', body: packet.subarray(reader.position) };
    default:
      throw refuseInput('malformed', 'SFTP: a reply of an unknown type');
  }
}

function readNames(reader: WireReader): Reply {
  const count = reader.uint32('the number of names');
  if (count > MAX_ENTRIES) throw refuseInput('too-large', 'SFTP: too many names in one reply');
  const entries: Entry[] = [];
  let skipped = 0;
  for (let index = 0; index < count; index++) {
    const bytes = Buffer.from(reader.bytes('a name', MAX_NAME_BYTES));
    reader.bytes('a long name', MAX_TEXT_BYTES);
    const attributes = readAttributes(reader);
    const name = bytes.toString('utf8');
    if (Buffer.from(name).equals(bytes)) entries.push({ name, attributes });
    else skipped++;
  }
  return { is: 'name', entries, skipped };
}

function readAttributes(reader: WireReader): Attributes {
  const has = reader.uint32('the attributes');
  const found: { -readonly [K in keyof Attributes]: Attributes[K] } = {};
  if (has & ATTR.size) found.size = Number(reader.uint64('the size'));
  if (has & ATTR.ids) {
    found.uid = reader.uint32('the owner');
    found.gid = reader.uint32('the group');
  }
  if (has & ATTR.mode) found.mode = reader.uint32('the mode');
  if (has & ATTR.times) {
    found.atime = reader.uint32('a time');
    found.mtime = reader.uint32('a time');
  }
  if (has & ATTR.extended) {
    const count = reader.uint32('the number of extensions');
    if (count > MAX_EXTENSIONS) throw refuseInput('too-large', 'SFTP: too many extensions');
    for (let index = 0; index < count; index++) {
      reader.bytes('an extension', MAX_TEXT_BYTES);
      reader.bytes('an extension', MAX_TEXT_BYTES);
    }
  }
  return found;
}

const lenient = (bytes: Uint8Array): string => Buffer.from(bytes).toString('utf8');

/** A packet without its length. */
export function request(type: number, id: number): WireWriter {
  return new WireWriter(128).raw(Uint8Array.of(type)).uint32(id);
}

export function writeAttributes(writer: WireWriter, { mode, atime, mtime, size }: Attributes): WireWriter {
  const hasTimes = atime !== undefined && mtime !== undefined;
  writer.uint32(
    (size === undefined ? 0 : ATTR.size) | (mode === undefined ? 0 : ATTR.mode) | (hasTimes ? ATTR.times : 0),
  );
  if (size !== undefined) writer.uint64(BigInt(size));
  if (mode !== undefined) writer.uint32(mode);
  return hasTimes ? writer.uint32(atime).uint32(mtime) : writer;
}

const TYPE_MASK = 0o170_000;
export type FileType = 'file' | 'folder' | 'link' | 'other';

export function typeOf({ mode }: Attributes): FileType {
  switch ((mode ?? 0o100_000) & TYPE_MASK) {
    case 0o100_000:
      return 'file';
    case 0o040_000:
      return 'folder';
    case 0o120_000:
      return 'link';
    default:
      return 'other';
  }
}
