// An SFTP client on an SSH connection: requests may be many at a time, each answered by its id. Whatever the server sends
// is bounded, and an answer to nothing ends the connection.
import { GatehouseError } from '#core/errors/error.ts';
import type { WireWriter } from '#core/certs/ssh/wire.ts';
import { subsystemRequest, emptyPayload, exitStatus } from '#wire/ssh/payloads.ts';
import type { Channel, ChannelReceiver, SshConnection } from '#wire/ssh/ssh.ts';
import { EXTENDED, OPEN, REQUEST, STATUS, VERSION } from '#wire/sftp/protocol.ts';
import { PacketReader } from './packet-reader.ts';
import {
  MAX_PACKET_BYTES,
  readReply,
  readVersion,
  request,
  writeAttributes,
  type Attributes,
  type Entry,
  type Reply,
} from './protocol.ts';

/** Opaque, of the server. */
export type Handle = Uint8Array & { readonly isHandle?: true };

/** Most servers take no more in one request, unless they say so. */
const USUAL_BLOCK_BYTES = 32 * 1024;
/** What a reply of MAX_PACKET_BYTES holds. */
const MAX_BLOCK_BYTES = MAX_PACKET_BYTES - 1024;
const MAX_STDERR = 4096;

/** Errors of the server: NOT_FOUND, ACCESS_DENIED, NOT_SUPPORTED or CONDITION_FAILED, each naming the path. */
export interface Sftp {
  /** Bytes that one read or write may have. */
  readonly blockBytes: number;
  open(path: string, forWriting: boolean, attributes?: Attributes): Promise<Handle>;
  close(handle: Handle): Promise<void>;
  /** Undefined at the end of the file; may be shorter than asked for. A view that is the caller's. */
  read(handle: Handle, offset: number, length: number, path: string): Promise<Buffer | undefined>;
  write(handle: Handle, offset: number, data: Uint8Array, path: string): Promise<void>;
  /** Follows links. */
  stat(path: string): Promise<Attributes>;
  lstat(path: string): Promise<Attributes>;
  setAttributes(path: string, attributes: Attributes): Promise<void>;
  /** As the server sent them, without `.` and `..`. `onSkipped` hears of names that cannot be used. */
  list(path: string, onSkipped?: (count: number) => void): Promise<readonly Entry[]>;
  realPath(path: string): Promise<string>;
  readLink(path: string): Promise<string>;
  makeFolder(path: string, mode?: number): Promise<void>;
  removeFolder(path: string): Promise<void>;
  remove(path: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  symlink(target: string, path: string): Promise<void>;
  end(): void;
}

/** ACCESS_DENIED when the server has no SFTP for this login. The connection is the caller's. */
export async function openSftp(connection: SshConnection): Promise<Sftp> {
  const client = new Client();
  const channel = await connection.open('session', emptyPayload.encode({}), client);
  await client.start(channel);
  return client;
}

class Client implements Sftp, ChannelReceiver {
  blockBytes = USUAL_BLOCK_BYTES;
  readonly #packets = new PacketReader(MAX_PACKET_BYTES);
  readonly #waiting = new Map<number, PromiseWithResolvers<Reply>>();
  readonly #version = Promise.withResolvers<ReadonlyMap<string, string>>();
  #isVersionKnown = false;
  #hasPosixRename = false;
  #channel: Channel | undefined;
  #nextId = 1;
  #room: PromiseWithResolvers<void> | undefined;
  #failure: GatehouseError | undefined;
  #said = '';

  async start(channel: Channel): Promise<void> {
    this.#channel = channel;
    // Seen here as well, as nobody may be waiting yet.
    this.#version.promise.catch(() => {});
    const asked = channel.request('subsystem', subsystemRequest.encode({ name: 'sftp' }));
    const isStarted = await asked;
    if (!isStarted)
      throw new GatehouseError('ACCESS_DENIED', 'the server offers no file transfers to this login');
    channel.write(Uint8Array.of(0, 0, 0, 5, REQUEST.init, 0, 0, 0, VERSION));
    const extensions = await this.#version.promise;
    this.#hasPosixRename = extensions.has(EXTENDED.posixRename);
    if (extensions.has(EXTENDED.limits)) await this.#readLimits();
  }

  async open(path: string, forWriting: boolean, attributes: Attributes = {}): Promise<Handle> {
    const flags = forWriting ? OPEN.write | OPEN.create | OPEN.truncate : OPEN.read;
    return this.#handle(path, (id) =>
      writeAttributes(request(REQUEST.open, id).string(path).uint32(flags), attributes),
    );
  }

  async close(handle: Handle): Promise<void> {
    await this.#ok('the file', (id) => request(REQUEST.close, id).string(handle));
  }

  async read(handle: Handle, offset: number, length: number, path: string): Promise<Buffer | undefined> {
    const reply = await this.#ask((id) =>
      request(REQUEST.read, id).string(handle).uint64(BigInt(offset)).uint32(length),
    );
    if (reply.is === 'status' && reply.code === STATUS.eof) return undefined;
    if (reply.is !== 'data') throw problem(reply, path);
    if (reply.data.length > 0 && reply.data.length <= length) return reply.data;
    throw this.#fail(
      new GatehouseError('CONDITION_FAILED', 'the server sent more, or less, than was asked for'),
    );
  }

  async write(handle: Handle, offset: number, data: Uint8Array, path: string): Promise<void> {
    const reply = await this.#ask(
      (id) => request(REQUEST.write, id).string(handle).uint64(BigInt(offset)).uint32(data.length),
      data,
    );
    requireOk(reply, path);
  }

  stat(path: string): Promise<Attributes> {
    return this.#attributes(REQUEST.stat, path);
  }

  lstat(path: string): Promise<Attributes> {
    return this.#attributes(REQUEST.lstat, path);
  }

  async setAttributes(path: string, attributes: Attributes): Promise<void> {
    await this.#ok(path, (id) => writeAttributes(request(REQUEST.setstat, id).string(path), attributes));
  }

  async list(path: string, onSkipped: (count: number) => void = () => {}): Promise<readonly Entry[]> {
    const handle = await this.#handle(path, (id) => request(REQUEST.opendir, id).string(path));
    const found: Entry[] = [];
    let size = 0;
    try {
      for (;;) {
        const reply = await this.#ask((id) => request(REQUEST.readdir, id).string(handle));
        if (reply.is === 'status' && reply.code === STATUS.eof) return found;
        if (reply.is !== 'name') throw problem(reply, path);
        if (reply.skipped > 0) onSkipped(reply.skipped);
        found.push(...reply.entries.filter(({ name }) => name !== '.' && name !== '..'));
        for (const { name } of reply.entries) size += ENTRY_BYTES + name.length;
        if (size > MAX_FOLDER_BYTES) throw new GatehouseError('TOO_LARGE', `${path} has too many names`);
      }
    } finally {
      await this.close(handle).catch(() => {});
    }
  }

  realPath(path: string): Promise<string> {
    return this.#name(REQUEST.realpath, path);
  }

  readLink(path: string): Promise<string> {
    return this.#name(REQUEST.readlink, path);
  }

  async makeFolder(path: string, mode?: number): Promise<void> {
    const attributes = mode === undefined ? {} : { mode };
    await this.#ok(path, (id) => writeAttributes(request(REQUEST.mkdir, id).string(path), attributes));
  }

  async removeFolder(path: string): Promise<void> {
    await this.#ok(path, (id) => request(REQUEST.rmdir, id).string(path));
  }

  async remove(path: string): Promise<void> {
    await this.#ok(path, (id) => request(REQUEST.remove, id).string(path));
  }

  /** Replaces what is there, where the server can. */
  async rename(from: string, to: string): Promise<void> {
    await this.#ok(from, (id) =>
      this.#hasPosixRename
        ? request(REQUEST.extended, id).string(EXTENDED.posixRename).string(from).string(to)
        : request(REQUEST.rename, id).string(from).string(to),
    );
  }

  /** OpenSSH has the two in this order, and everybody followed it. */
  async symlink(target: string, path: string): Promise<void> {
    await this.#ok(path, (id) => request(REQUEST.symlink, id).string(target).string(path));
  }

  end(): void {
    this.#channel?.close();
  }

  onData(data: Buffer): void {
    try {
      for (const packet of this.#packets.push(data)) this.#take(packet);
    } catch (cause) {
      this.#fail(cause as GatehouseError);
    }
    this.#channel?.consumed(data.length);
  }

  onStderr(data: Buffer): void {
    this.#said = (this.#said + data.toString('utf8')).slice(0, MAX_STDERR);
    this.#channel?.consumed(data.length);
  }

  onRequest(name: string, payload: Uint8Array): boolean {
    if (name === 'exit-status') exitStatus.decode(payload);
    return name === 'exit-status';
  }

  onDrain(): void {
    this.#room?.resolve();
    this.#room = undefined;
  }

  onClose(): void {
    const said = this.#said.trim();
    this.#fail(new GatehouseError('UNAVAILABLE', said === '' ? 'the connection was lost' : said));
  }

  #take(packet: Buffer): void {
    if (!this.#isVersionKnown) {
      this.#isVersionKnown = true;
      this.#version.resolve(readVersion(packet));
      return;
    }
    const { id, reply } = readReply(packet);
    const waiting = this.#waiting.get(id);
    if (waiting === undefined)
      throw new GatehouseError('CONDITION_FAILED', 'the server answered what was not asked');
    this.#waiting.delete(id);
    waiting.resolve(reply);
  }

  /** Everything that waits fails; the first failure is what is told. */
  #fail(error: GatehouseError): GatehouseError {
    this.#failure ??= error;
    this.#version.reject(this.#failure);
    for (const waiting of this.#waiting.values()) waiting.reject(this.#failure);
    this.#waiting.clear();
    this.onDrain();
    this.#channel?.close();
    return this.#failure;
  }

  async #ask(build: (id: number) => WireWriter, data: Uint8Array = NOTHING): Promise<Reply> {
    while (this.#room !== undefined) await this.#room.promise;
    if (this.#failure !== undefined) throw this.#failure;
    const id = this.#nextId;
    this.#nextId = (id + 1) >>> 0;
    const answer = Promise.withResolvers<Reply>();
    this.#waiting.set(id, answer);
    const body = build(id).view();
    const head = Buffer.allocUnsafe(4 + body.length);
    head.writeUInt32BE(body.length + data.length, 0);
    head.set(body, 4);
    const hasRoom = this.#channel?.write(head) ?? false;
    const hasMore = data.length === 0 ? hasRoom : (this.#channel?.write(data) ?? false);
    if (!hasRoom || !hasMore) this.#room ??= Promise.withResolvers<void>();
    return answer.promise;
  }

  async #ok(path: string, build: (id: number) => WireWriter): Promise<void> {
    requireOk(await this.#ask(build), path);
  }

  async #handle(path: string, build: (id: number) => WireWriter): Promise<Handle> {
    const reply = await this.#ask(build);
    if (reply.is === 'handle') return reply.handle;
    throw problem(reply, path);
  }

  async #attributes(type: number, path: string): Promise<Attributes> {
    const reply = await this.#ask((id) => request(type, id).string(path));
    if (reply.is === 'attrs') return reply.attributes;
    throw problem(reply, path);
  }

  async #name(type: number, path: string): Promise<string> {
    const reply = await this.#ask((id) => request(type, id).string(path));
    const name = reply.is === 'name' ? reply.entries[0]?.name : undefined;
    if (name !== undefined) return name;
    throw problem(reply, path);
  }

  async #readLimits(): Promise<void> {
    const reply = await this.#ask((id) => request(REQUEST.extended, id).string(EXTENDED.limits));
    if (reply.is !== 'extended' || reply.body.length < 24) return;
    const view = Buffer.from(reply.body);
    const most = Math.min(Number(view.readBigUInt64BE(8)), Number(view.readBigUInt64BE(16)));
    if (most > 0) this.blockBytes = Math.min(most, MAX_BLOCK_BYTES);
  }
}

const NOTHING = new Uint8Array();
/** What the names of one folder may take here: about a million. */
const MAX_FOLDER_BYTES = 128 * 1024 ** 2;
const ENTRY_BYTES = 96;

function requireOk(reply: Reply, path: string): void {
  if (reply.is === 'status' && reply.code === STATUS.ok) return;
  throw problem(reply, path);
}

function problem(reply: Reply, path: string): GatehouseError {
  if (reply.is !== 'status')
    return new GatehouseError('CONDITION_FAILED', `${path}: the server's answer fits no question`);
  const said = reply.message === '' ? '' : ` (${reply.message})`;
  switch (reply.code) {
    case STATUS.noSuchFile:
      return new GatehouseError('NOT_FOUND', `${path}: no such file on the server`);
    case STATUS.permissionDenied:
      return new GatehouseError('ACCESS_DENIED', `${path}: the server does not permit it`);
    case STATUS.unsupported:
      return new GatehouseError('NOT_SUPPORTED', `${path}: the server cannot do this`);
    default:
      return new GatehouseError('CONDITION_FAILED', `${path}: the server failed${said}`);
  }
}
