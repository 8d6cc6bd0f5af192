// Watches SFTP go by, to put on record which files were read, written, moved and removed. It changes and delays nothing.
// Asking for attributes leaves no event; opening, listing and changing does.
import type { FlowWatch } from './flow-watch.ts';
import { SftpFrames, type SftpHead } from './frames.ts';
import { PacketReader } from './packets.ts';
import { EXTENDED, OPEN_WRITES, REPLY, REQUEST, STATUS_OK } from './protocol.ts';

/** Fields of an `sftp` event. */
export interface SftpAction {
  readonly action: string;
  readonly path: string;
  readonly target_path?: string;
  readonly tx?: number;
  readonly rx?: number;
  readonly success: boolean;
  readonly error?: string;
}

interface OpenFile {
  readonly path: string;
  readonly writes: boolean;
  read: number;
  written: number;
}

type Pending =
  | { readonly is: 'open'; readonly path: string; readonly writes: boolean }
  | { readonly is: 'list'; readonly path: string }
  | { readonly is: 'read'; readonly handle: string }
  | { readonly is: 'close'; readonly file: OpenFile }
  | { readonly is: 'change'; readonly action: string; readonly path: string; readonly target?: string };

/** Requests without an answer, and open files: beyond these the oldest are forgotten. */
const MAX_PENDING = 4096;
const MAX_OPEN = 4096;
const MAX_PATH = 4096;
const ENDED = 'the session ended before the file was closed';

const CHANGES: ReadonlyMap<number, string> = new Map([
  [REQUEST.setstat, 'setstat'],
  [REQUEST.remove, 'remove'],
  [REQUEST.mkdir, 'mkdir'],
  [REQUEST.rmdir, 'rmdir'],
]);

export class SftpWatch implements FlowWatch {
  readonly #tell: (action: SftpAction) => void;
  readonly #requests = new SftpFrames((head) => this.#guard(head, this.#request));
  readonly #replies = new SftpFrames((head) => this.#guard(head, this.#reply));
  readonly #pending = new Map<number, Pending>();
  readonly #files = new Map<string, OpenFile>();

  constructor(tell: (action: SftpAction) => void) {
    this.#tell = tell;
  }

  input(data: Buffer): void {
    this.#requests.push(data);
  }

  output(data: Buffer): void {
    this.#replies.push(data);
  }

  end(): void {
    for (const file of this.#files.values()) this.#closed(file, ENDED);
    this.#files.clear();
  }

  /** A packet that cannot be read is the server's to refuse. */
  #guard(head: SftpHead, read: (type: number, packet: PacketReader) => void): void {
    const packet = new PacketReader(head.body);
    read.call(this, head.type, packet);
  }

  #request(type: number, packet: PacketReader): void {
    if (type === REQUEST.init) return;
    const id = packet.uint32();
    switch (type) {
      case REQUEST.open: {
        const path = packet.path();
        this.#await(id, { is: 'open', path, writes: (packet.uint32() & OPEN_WRITES) !== 0 });
        return;
      }
      case REQUEST.opendir:
        this.#await(id, { is: 'list', path: packet.path() });
        return;
      case REQUEST.read:
        this.#await(id, { is: 'read', handle: packet.handle() });
        return;
      case REQUEST.write:
        this.#wrote(packet);
        return;
      case REQUEST.close:
        this.#closing(id, packet.handle());
        return;
      default:
        this.#change(type, id, packet);
    }
  }

  #change(type: number, id: number, packet: PacketReader): void {
    const action = CHANGES.get(type);
    if (action !== undefined) this.#await(id, { is: 'change', action, path: packet.path() });
    else if (type === REQUEST.rename) this.#pair(id, 'rename', packet);
    else if (type === REQUEST.symlink) {
      // OpenSSH sends what the link points to first.
      const target = packet.path();
      this.#await(id, { is: 'change', action: 'symlink', path: packet.path(), target });
    } else if (type === REQUEST.fsetstat) {
      const file = this.#files.get(packet.handle());
      if (file !== undefined) this.#await(id, { is: 'change', action: 'setstat', path: file.path });
    } else if (type === REQUEST.extended) {
      const name = packet.text();
      if (name === EXTENDED.posixRename) this.#pair(id, 'rename', packet);
      else if (name === EXTENDED.hardlink) this.#pair(id, 'link', packet);
      else if (name === EXTENDED.lsetstat)
        this.#await(id, { is: 'change', action: 'setstat', path: packet.path() });
    }
  }

  #pair(id: number, action: string, packet: PacketReader): void {
    const path = packet.path();
    this.#await(id, { is: 'change', action, path, target: packet.path() });
  }

  #wrote(packet: PacketReader): void {
    const file = this.#files.get(packet.handle());
    packet.skip(8);
    if (file !== undefined) file.written += packet.uint32();
  }

  #closing(id: number, handle: string): void {
    const file = this.#files.get(handle);
    this.#files.delete(handle);
    if (file !== undefined) this.#await(id, { is: 'close', file });
  }

  #reply(type: number, packet: PacketReader): void {
    if (type === REPLY.version) return;
    const id = packet.uint32();
    const pending = this.#pending.get(id);
    if (pending === undefined) return;
    this.#pending.delete(id);
    if (type === REPLY.data) {
      const file = pending.is === 'read' ? this.#files.get(pending.handle) : undefined;
      if (file !== undefined) file.read += packet.uint32();
    } else if (type === REPLY.handle) this.#opened(pending, packet.handle());
    else if (type === REPLY.status) this.#answered(pending, packet);
  }

  #opened(pending: Pending, handle: string): void {
    if (pending.is === 'list') this.#tell({ action: 'list', path: pending.path, success: true });
    if (pending.is !== 'open') return;
    for (const [oldest, file] of this.#files) {
      if (this.#files.size < MAX_OPEN) break;
      this.#files.delete(oldest);
      this.#closed(file, ENDED);
    }
    this.#files.set(handle, { path: pending.path, writes: pending.writes, read: 0, written: 0 });
  }

  #answered(pending: Pending, packet: PacketReader): void {
    if (pending.is === 'read') return;
    const code = packet.uint32();
    const success = code === STATUS_OK;
    const error = success ? {} : { error: packet.text().slice(0, 256) || `status ${code}` };
    if (pending.is === 'close') this.#closed(pending.file, error.error);
    else {
      const { path } = pending;
      const action = pending.is === 'change' ? pending.action : pending.is;
      const target = pending.is === 'change' ? pending.target : undefined;
      this.#tell({
        action,
        path: cut(path),
        ...(target === undefined ? {} : { target_path: cut(target) }),
        success,
        ...error,
      });
    }
  }

  #closed(file: OpenFile, error: string | undefined): void {
    this.#tell({
      action: file.writes ? 'write' : 'read',
      path: cut(file.path),
      tx: file.read,
      rx: file.written,
      success: error === undefined,
      ...(error === undefined ? {} : { error }),
    });
  }

  #await(id: number, pending: Pending): void {
    if (this.#pending.size >= MAX_PENDING) {
      for (const oldest of this.#pending.keys()) {
        this.#pending.delete(oldest);
        break;
      }
    }
    this.#pending.set(id, pending);
  }
}

const cut = (path: string): string => path.slice(0, MAX_PATH);
