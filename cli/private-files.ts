// Files with keys in them: written for this user alone, in one step, never through a link and never over a file that
// was not asked for; read only when nobody else could have written them.
import { randomBytes } from 'node:crypto';
import { constants, type Stats } from 'node:fs';
import { link, lstat, mkdir, open, rename, rm, type FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { GatehouseError } from '#core/errors/error.ts';

const MAX_BYTES = 1024 * 1024;
const WRITABLE_BY_OTHERS = 0o022;
const OPEN_TO_OTHERS = 0o077;

export interface WriteOptions {
  /** Replace a file that is there; otherwise ALREADY_EXISTS. */
  readonly overwrite: boolean;
  /** 0600 unless said otherwise. */
  readonly mode?: number;
}

/** Writes a whole file, synced, or nothing. */
export async function writePrivateFile(path: string, content: string, options: WriteOptions): Promise<void> {
  const draft = join(dirname(path), `.${randomBytes(6).toString('hex')}.draft`);
  try {
    const file = await open(draft, 'wx', options.mode ?? 0o600);
    try {
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    await place(draft, path, options.overwrite);
  } catch (cause) {
    throw cause instanceof GatehouseError ? cause : cannot('write', path, cause);
  } finally {
    await rm(draft, { force: true });
  }
}

/** Gives a finished draft its name. ALREADY_EXISTS when the name is taken and may not be overwritten. */
export async function place(draft: string, path: string, overwrite: boolean): Promise<void> {
  if (overwrite) return rename(draft, path);
  try {
    await link(draft, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') throw exists(path);
    throw error;
  }
  await rm(draft, { force: true });
}

/** ALREADY_EXISTS when one of the paths is taken: asked before anything is made. */
export async function requireFree(paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    if ((await lstat(path).catch(() => undefined)) !== undefined) throw exists(path);
  }
}

/** Makes a folder of mode 0700, or refuses one that others own or may write. */
export async function requirePrivateFolder(path: string, uid: number | undefined): Promise<void> {
  await mkdir(path, { mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw cannot('make', path, error);
  });
  await requireOwnFolder(path, uid);
}

/** INVALID_CONFIG unless `path` is a folder, not a link, of this user, that nobody else may write. */
export async function requireOwnFolder(path: string, uid: number | undefined): Promise<void> {
  const found = await lstat(path).catch((cause: unknown) => {
    throw cannot('read', path, cause);
  });
  if (!found.isDirectory()) throw refusal(`${path} is not a folder`, `Remove it, or move it away.`);
  requireOwner(path, found.uid, uid);
  if ((found.mode & WRITABLE_BY_OTHERS) !== 0) {
    throw refusal(`${path} can be written by other users`, `Run: chmod go-w ${path}`);
  }
}

/**
 * The text of a file that holds a key; undefined when there is none. INVALID_CONFIG when it is a link, belongs to
 * somebody else or is open to others. A file that was `named` may be a link and may belong to somebody else.
 */
export async function readPrivateFile(
  path: string,
  uid: number | undefined,
  { named = false }: { readonly named?: boolean } = {},
): Promise<string | undefined> {
  const follow = named ? 0 : constants.O_NOFOLLOW;
  let file: FileHandle | undefined;
  try {
    file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK | follow);
    requirePrivate(path, await file.stat(), uid, named);
    return await file.readFile('utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    if (code === 'ELOOP') throw refusal(`${path} is a link`, 'Put the file itself there.');
    throw error instanceof GatehouseError ? error : cannot('read', path, error);
  } finally {
    await file?.close();
  }
}

function requirePrivate(path: string, found: Stats, uid: number | undefined, named: boolean): void {
  if (!found.isFile()) throw refusal(`${path} is not a file`, 'Remove it, or move it away.');
  if (!named) requireOwner(path, found.uid, uid);
  if ((found.mode & OPEN_TO_OTHERS) !== 0 && (!named || found.uid === uid)) {
    throw refusal(`${path} holds a private key and is open to other users`, `Run: chmod 600 ${path}`);
  }
  if (found.size > MAX_BYTES) throw new GatehouseError('TOO_LARGE', `${path} is larger than 1 MiB`);
}

/** A file or pipe that the user named, such as one with a password; a final line break does not count. */
export async function readSecretFile(path: string): Promise<string> {
  const file = await open(path, 'r').catch((cause: unknown) => {
    throw cannot('read', path, cause);
  });
  try {
    const parts: Buffer[] = [];
    let size = 0;
    for await (const part of file.createReadStream({ autoClose: false })) {
      parts.push(part as Buffer);
      size += (part as Buffer).length;
      if (size > MAX_BYTES) throw new GatehouseError('TOO_LARGE', `${path} is larger than 1 MiB`);
    }
    return Buffer.concat(parts)
      .toString('utf8')
      .replace(/\r?\n$/, '');
  } catch (error) {
    throw error instanceof GatehouseError ? error : cannot('read', path, error);
  } finally {
    await file.close();
  }
}

/** What belongs to root is fine: root could change it anyway. Without `uid` the owner does not matter. */
function requireOwner(path: string, owner: number, uid: number | undefined): void {
  if (uid === undefined || owner === uid || owner === 0) return;
  throw refusal(`${path} belongs to another user (id ${owner})`, `Make it your own, or remove it.`);
}

function exists(path: string): GatehouseError {
  return new GatehouseError('ALREADY_EXISTS', `${path} exists`, {
    details: { remedy: 'Choose another name, or add --overwrite.' },
  });
}

function refusal(message: string, remedy: string): GatehouseError {
  return new GatehouseError('INVALID_CONFIG', message, { details: { remedy } });
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file or folder',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EISDIR: 'it is a folder',
  ENOTDIR: 'a part of the path is not a folder',
  EROFS: 'the file system is read-only',
  ENOSPC: 'the disk is full',
};

/** BAD_REQUEST that says why a file cannot be used. */
export function cannot(what: 'read' | 'write' | 'make', path: string, cause: unknown): GatehouseError {
  const code = (cause as NodeJS.ErrnoException).code ?? 'unknown error';
  return new GatehouseError('BAD_REQUEST', `cannot ${what} ${path}: ${REASONS[code] ?? code}`, {
    cause,
    details: { remedy: 'Check the path and who may use it.' },
  });
}
