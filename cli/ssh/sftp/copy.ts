// Files and folders, many at a time, with the meaning that scp gives to source and destination. What cannot be copied is
// told and counted, and the rest goes on.
import { lstat, mkdir, readdir, stat, utimes, chmod } from 'node:fs/promises';
import type { Stats } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { GatehouseError, isCode } from '#core/errors/error.ts';
import { usage } from '../../arguments.ts';
import { matchesPattern } from '../name-pattern.ts';
import { hasWildcard, joinRemote, lastPart, requireSafeName } from './paths.ts';
import { typeOf, type Attributes } from './protocol.ts';
import { download, inFile, upload, type TransferOptions } from './transfer.ts';

export interface CopyOptions extends TransferOptions {
  readonly isRecursive: boolean;
  readonly onNote: (text: string) => void;
}

const MAX_DEPTH = 64;
const OWNER_MAY = 0o700;
const MODE_MASK = 0o777;

export class Copy {
  readonly #options: CopyOptions;
  /** What could not be copied. */
  failures = 0;

  constructor(options: CopyOptions) {
    this.#options = options;
  }

  /** From the server. USAGE when several are to become one file. */
  async get(sources: readonly string[], destination: string): Promise<void> {
    const found = (await Promise.all(sources.map((source) => this.expand(source)))).flat();
    const place = await stat(destination).catch(() => undefined);
    const isFolder = place?.isDirectory() === true;
    if (found.length > 1 && !isFolder)
      throw usage(`${destination} must be a folder, as several files are to go there`);
    for (const source of found) {
      await this.#attempt(async () => {
        const attributes = await this.#options.sftp.stat(source);
        const target = isFolder ? join(destination, await this.#nameOf(source)) : destination;
        await this.#getAny(source, target, attributes, new Set(), 0);
      });
    }
  }

  /** To the server. USAGE when several are to become one file. */
  async put(sources: readonly string[], destination: string): Promise<void> {
    const { sftp } = this.#options;
    const place = await sftp.stat(destination === '' ? '.' : destination).catch((error: unknown) => {
      if (isCode(error, 'NOT_FOUND')) return undefined;
      throw error;
    });
    const isFolder = place !== undefined && typeOf(place) === 'folder';
    if (sources.length > 1 && !isFolder)
      throw usage(`${destination} must be a folder, as several files are to go there`);
    for (const source of sources) {
      await this.#attempt(async () => {
        const stats = await stat(source).catch((cause: unknown) => {
          throw inFile(source, cause);
        });
        const target = isFolder ? joinRemote(destination, basename(resolve(source))) : destination;
        await this.#putAny(source, target, stats, new Set());
      });
    }
  }

  /** Paths that a pattern stands for; NOT_FOUND when there is none. */
  async expand(path: string): Promise<readonly string[]> {
    if (!hasWildcard(path)) return [path];
    const isAbsolute = path.startsWith('/');
    let found: string[] = [isAbsolute ? '/' : ''];
    for (const part of path.split('/').filter((one) => one !== '')) {
      found = hasWildcard(part)
        ? (await Promise.all(found.map((folder) => this.#matching(folder, part)))).flat()
        : found.map((folder) => joinRemote(folder, part));
    }
    if (found.length > 0) return found;
    throw new GatehouseError('NOT_FOUND', `${path}: nothing on the server fits it`);
  }

  async #matching(folder: string, pattern: string): Promise<string[]> {
    const entries = await this.#options.sftp.list(folder === '' ? '.' : folder).catch(() => []);
    return entries
      .map(({ name }) => name)
      .filter((name) => matchesPattern(name, pattern))
      .map((name) => joinRemote(folder, requireSafeName(name)))
      .sort();
  }

  async #nameOf(source: string): Promise<string> {
    const name = lastPart(source);
    return requireSafeName(name === '' ? lastPart(await this.#options.sftp.realPath(source)) : name);
  }

  async #getAny(
    source: string,
    target: string,
    attributes: Attributes,
    above: ReadonlySet<string>,
    depth: number,
  ): Promise<void> {
    switch (typeOf(attributes)) {
      case 'file':
        return download(source, target, attributes, this.#options);
      case 'folder':
        return this.#getFolder(source, target, attributes, above, depth);
      case 'link': {
        const real = await this.#options.sftp.stat(source);
        if (typeOf(real) === 'link')
          throw new GatehouseError('CONDITION_FAILED', `${source}: a link to a link`);
        return this.#getAny(source, target, real, above, depth);
      }
      case 'other':
        throw new GatehouseError('NOT_SUPPORTED', `${source} is not a file`);
    }
  }

  async #getFolder(
    source: string,
    target: string,
    attributes: Attributes,
    above: ReadonlySet<string>,
    depth: number,
  ): Promise<void> {
    const { sftp, isRecursive, keeps, onNote } = this.#options;
    requireRecursive(source, isRecursive);
    const real = await sftp.realPath(source);
    if (above.has(real) || depth >= MAX_DEPTH) {
      throw new GatehouseError('CONDITION_FAILED', `${source} is within itself, or too deep; it is left out`);
    }
    const mode = (attributes.mode ?? MODE_MASK) & MODE_MASK;
    await makeFolder(target, mode | OWNER_MAY);
    const entries = await sftp.list(source, (count) => {
      this.failures += count;
      onNote(`${source}: ${count} names are not UTF-8; they are left out`);
    });
    const within = new Set([...above, real]);
    for (const entry of entries) {
      await this.#attempt(() => {
        const name = requireSafeName(entry.name);
        return this.#getAny(
          joinRemote(source, name),
          join(target, name),
          entry.attributes,
          within,
          depth + 1,
        );
      });
    }
    if (!keeps) return;
    await chmod(target, mode);
    const { atime, mtime } = attributes;
    if (atime !== undefined && mtime !== undefined) await utimes(target, atime, mtime);
  }

  async #putAny(source: string, target: string, stats: Stats, above: ReadonlySet<string>): Promise<void> {
    if (stats.isDirectory()) return this.#putFolder(source, target, stats, above);
    return upload(source, target, this.#options);
  }

  async #putFolder(source: string, target: string, stats: Stats, above: ReadonlySet<string>): Promise<void> {
    const { sftp, isRecursive, keeps } = this.#options;
    requireRecursive(source, isRecursive);
    const key = `${stats.dev}:${stats.ino}`;
    if (above.has(key))
      throw new GatehouseError('CONDITION_FAILED', `${source} is within itself; it is left out`);
    const mode = stats.mode & MODE_MASK;
    await makeRemoteFolder(sftp, target, mode | OWNER_MAY);
    const names = await readdir(source).catch((cause: unknown) => {
      throw inFile(source, cause);
    });
    const within = new Set([...above, key]);
    for (const name of names) {
      await this.#attempt(async () => {
        const path = join(source, name);
        const found = await stat(path).catch((cause: unknown) => {
          throw inFile(path, cause);
        });
        if (!found.isFile() && !found.isDirectory()) {
          throw new GatehouseError('NOT_SUPPORTED', `${path} is not a file`);
        }
        await this.#putAny(path, joinRemote(target, name), found, within);
      });
    }
    if (!keeps) return;
    const [atime, mtime] = [stats.atimeMs, stats.mtimeMs].map((ms) => Math.floor(ms / 1000));
    await sftp.setAttributes(target, { mode, atime: atime ?? 0, mtime: mtime ?? 0 });
  }

  /** A lost connection ends everything; any other failure is that of one file. */
  async #attempt(run: () => Promise<void>): Promise<void> {
    try {
      await run();
    } catch (error) {
      if (!isCode(error) || error.code === 'UNAVAILABLE' || error.code === 'USAGE') throw error;
      this.failures++;
      this.#options.onNote(error.message);
    }
  }
}

function requireRecursive(path: string, isRecursive: boolean): void {
  if (!isRecursive) throw new GatehouseError('CONDITION_FAILED', `${path} is a folder; with -r it is copied`);
}

async function makeFolder(path: string, mode: number): Promise<void> {
  await mkdir(path, { mode }).catch(async (cause: NodeJS.ErrnoException) => {
    const found = cause.code === 'EEXIST' ? await lstat(path) : undefined;
    // A link could lead anywhere: only the folder that the person named may be one.
    if (found?.isDirectory() === true) return;
    throw inFile(path, found === undefined ? cause : { code: 'ENOTDIR' });
  });
}

async function makeRemoteFolder(sftp: TransferOptions['sftp'], path: string, mode: number): Promise<void> {
  try {
    await sftp.makeFolder(path, mode);
  } catch (error) {
    const found = await sftp.stat(path).catch(() => undefined);
    if (found === undefined || typeOf(found) !== 'folder') throw error;
  }
}
