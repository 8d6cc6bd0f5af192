// SFTP version 3 over the file system of this process: what the account may do, the client may do, and nothing is
// checked or resolved beside the kernel. One request at a time, in order.
import {
  constants,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readlinkSync,
  readSync,
  rmdirSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { encodeAttributes, listingLine, readAttributes } from './attributes.ts';
import { changeFile, changeOpenFile } from './change.ts';
import { EXTENSIONS, serveExtended } from './extended.ts';
import { OpenHandles, openFolder } from './open-handles.ts';
import { MAX_PACKET_BYTES } from './packet-buffer.ts';
import { packet, PacketReader, type Part } from '#wire/sftp/packets.ts';
import { absolutePath, pathOf } from './paths.ts';
import { OPEN, REPLY, REQUEST, STATUS, VERSION } from '#wire/sftp/protocol.ts';
import { moveWithoutReplacing } from './rename.ts';
import { statusOf } from './status.ts';

export interface SftpServerOptions {
  /** What `~` is. */
  readonly home: string;
  /** Takes a whole packet; may block. */
  readonly send: (data: Buffer) => void;
}

/** What a reply holds beside its packet's head. */
export const MAX_DATA_BYTES = MAX_PACKET_BYTES - 1024;
const NAMES_AT_ONCE = 100;
const DEFAULT_FILE_MODE = 0o666;
const DEFAULT_FOLDER_MODE = 0o777;

export class SftpServer {
  readonly #options: SftpServerOptions;
  readonly #handles = new OpenHandles();
  readonly #data = Buffer.allocUnsafe(MAX_DATA_BYTES);

  constructor(options: SftpServerOptions) {
    this.#options = options;
  }

  /** One packet of the client: type and what follows. Every request is answered once. */
  handle(request: Buffer): void {
    const type = request[0];
    const reader = new PacketReader(request.subarray(1));
    if (type === REQUEST.init) {
      this.#options.send(versionReply());
      return;
    }
    const id = reader.uint32();
    try {
      this.#options.send(this.#answer(type ?? 0, id, reader));
    } catch (error) {
      const { code, message } = statusOf(error);
      this.#options.send(packet(REPLY.status, id, code, message, ''));
    }
  }

  close(): void {
    this.#handles.closeAll();
  }

  #answer(type: number, id: number, reader: PacketReader): Buffer {
    switch (type) {
      case REQUEST.open:
        return packet(REPLY.handle, id, this.#open(reader));
      case REQUEST.close:
        this.#handles.close(reader.handle());
        return ok(id);
      case REQUEST.read:
        return this.#read(id, reader);
      case REQUEST.write:
        this.#write(reader);
        return ok(id);
      case REQUEST.opendir:
        return packet(REPLY.handle, id, this.#handles.add(openFolder(pathOf(reader))));
      case REQUEST.readdir:
        return this.#readFolder(id, reader);
      case REQUEST.extended:
        return serveExtended(id, reader, { handles: this.#handles, home: this.#options.home });
      default:
        return this.#ask(type, id, reader) ?? this.#change(type, id, reader);
    }
  }

  /** Requests that change nothing; undefined for others. */
  #ask(type: number, id: number, reader: PacketReader): Buffer | undefined {
    switch (type) {
      case REQUEST.lstat:
        return attributes(id, encodeAttributes(lstatSync(pathOf(reader))));
      case REQUEST.stat:
        return attributes(id, encodeAttributes(statSync(pathOf(reader))));
      case REQUEST.fstat:
        return attributes(id, encodeAttributes(fstatSync(this.#handles.file(reader.handle()).fd)));
      case REQUEST.realpath:
        return oneName(id, absolutePath(pathOf(reader)));
      case REQUEST.readlink:
        return oneName(id, readlinkSync(pathOf(reader), { encoding: 'buffer' }));
      default:
        return undefined;
    }
  }

  #change(type: number, id: number, reader: PacketReader): Buffer {
    switch (type) {
      case REQUEST.setstat:
        changeFile(pathOf(reader), readAttributes(reader));
        break;
      case REQUEST.fsetstat:
        changeOpenFile(this.#handles.file(reader.handle()).fd, readAttributes(reader));
        break;
      case REQUEST.remove:
        unlinkSync(pathOf(reader));
        break;
      case REQUEST.mkdir: {
        const path = pathOf(reader);
        mkdirSync(path, { mode: readAttributes(reader).mode ?? DEFAULT_FOLDER_MODE });
        break;
      }
      case REQUEST.rmdir:
        rmdirSync(pathOf(reader));
        break;
      case REQUEST.rename:
        moveWithoutReplacing(pathOf(reader), pathOf(reader));
        break;
      case REQUEST.symlink:
        // Target first, as OpenSSH and everybody after it has it, not as the draft.
        symlinkSync(pathOf(reader), pathOf(reader));
        break;
      default:
        return packet(REPLY.status, id, STATUS.unsupported, 'this request is not known', '');
    }
    return ok(id);
  }

  #open(reader: PacketReader): string {
    const path = pathOf(reader);
    const asked = reader.uint32();
    const { mode = DEFAULT_FILE_MODE } = readAttributes(reader);
    const fd = openSync(path, openFlags(asked), mode);
    return this.#handles.add({ is: 'file', fd, appends: (asked & OPEN.append) !== 0 });
  }

  #read(id: number, reader: PacketReader): Buffer {
    const { fd } = this.#handles.file(reader.handle());
    const offset = reader.uint64();
    const length = Math.min(reader.uint32(), MAX_DATA_BYTES);
    const bytes = offset === Infinity ? 0 : readSync(fd, this.#data, 0, length, offset);
    if (bytes === 0) return packet(REPLY.status, id, STATUS.eof, 'end of file', '');
    return packet(REPLY.data, id, this.#data.subarray(0, bytes));
  }

  #write(reader: PacketReader): void {
    const { fd, appends } = this.#handles.file(reader.handle());
    const offset = reader.uint64();
    const data = reader.string();
    for (let at = 0; at < data.length;) {
      at += writeSync(fd, data, at, data.length - at, appends ? null : offset + at);
    }
  }

  #readFolder(id: number, reader: PacketReader): Buffer {
    const { path, next } = this.#handles.folder(reader.handle());
    const names: Part[] = [];
    let count = 0;
    for (let name = next(); name !== undefined; name = next()) {
      const stats = lstatSync(Buffer.concat([path, Buffer.from('/'), name]), { throwIfNoEntry: false });
      // Removed since it was listed.
      if (stats !== undefined) {
        names.push(name, listingLine(name.toString('utf8'), stats), { raw: encodeAttributes(stats) });
        count++;
      }
      if (count === NAMES_AT_ONCE) break;
    }
    if (count === 0) return packet(REPLY.status, id, STATUS.eof, 'end of folder', '');
    return packet(REPLY.name, id, count, ...names);
  }
}

function openFlags(asked: number): number {
  const reads = (asked & OPEN.read) !== 0;
  const writes = (asked & (OPEN.write | OPEN.append)) !== 0;
  let flags = writes ? (reads ? constants.O_RDWR : constants.O_WRONLY) : constants.O_RDONLY;
  if ((asked & OPEN.append) !== 0) flags |= constants.O_APPEND;
  if ((asked & OPEN.create) !== 0) flags |= constants.O_CREAT;
  if ((asked & OPEN.truncate) !== 0) flags |= constants.O_TRUNC;
  if ((asked & OPEN.exclusive) !== 0) flags |= constants.O_EXCL;
  return flags;
}

function versionReply(): Buffer {
  return packet(REPLY.version, VERSION, ...EXTENSIONS.flat());
}

const ok = (id: number): Buffer => packet(REPLY.status, id, STATUS.ok, '', '');
const attributes = (id: number, bytes: Buffer): Buffer => packet(REPLY.attrs, id, { raw: bytes });
const NO_ATTRIBUTES = Buffer.alloc(4);

/** A name with nothing else about it. */
export const oneName = (id: number, name: Buffer): Buffer =>
  packet(REPLY.name, id, 1, name, name, { raw: NO_ATTRIBUTES });
