// Files as objects: written once and whole, durable when the call returns, and never replaced. A file is prepared in
// `tmp/` and linked to its name, so that there is no moment at which half of it is there.
import { randomBytes } from 'node:crypto';
import { link, readdir, stat, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import {
  diskError,
  isMissing,
  isThere,
  makeFile,
  makeFolder,
  openExisting,
  syncFolder,
  type Disk,
} from '../disk.ts';

const FILE_MODE = 0o640;
const FOLDER_MODE = 0o750;
/** What a crash left in `tmp/` is removed when it is older. */
const STALE_MS = 3_600_000;

export class Objects {
  readonly #root: string;
  readonly #disk: Disk;

  constructor(root: string, disk: Disk) {
    this.#root = root;
    this.#disk = disk;
  }

  /** Makes the folders and clears what a crash left. */
  async open(now: number): Promise<void> {
    const drafts = this.#drafts();
    await makeFolder(this.#root, FOLDER_MODE);
    await makeFolder(drafts, FOLDER_MODE);
    for (const name of await readdir(drafts)) {
      const { mtimeMs } = await stat(join(drafts, name)).catch(() => ({ mtimeMs: now }));
      if (now - mtimeMs > STALE_MS) await unlink(join(drafts, name)).catch(() => undefined);
    }
  }

  #drafts(): string {
    return join(this.#root, 'tmp');
  }

  /** False, and nothing is changed, when the name is taken. `sync` false leaves the folder to `syncFolder`. */
  async create(path: string, bytes: Uint8Array, sync = true): Promise<boolean> {
    const draft = join(this.#drafts(), randomBytes(16).toString('hex'));
    try {
      const file = await makeFile(draft, FILE_MODE);
      try {
        await this.#disk.write(file, bytes, 0);
        await this.#disk.sync(file);
      } finally {
        await file.close();
      }
      await link(draft, path);
      if (sync) await syncFolder(dirname(path));
      return true;
    } catch (error) {
      if (isThere(error)) return false;
      throw diskError('write a recording', error);
    } finally {
      await unlink(draft).catch(() => undefined);
    }
  }

  async makeFolder(path: string): Promise<void> {
    await makeFolder(path, FOLDER_MODE);
    await this.syncFolder(dirname(path));
  }

  async syncFolder(path: string): Promise<void> {
    await syncFolder(path).catch((error: unknown) => {
      throw diskError('write a folder to stable storage', error);
    });
  }

  /** Undefined when it is not there. */
  async read(path: string): Promise<Buffer | undefined> {
    try {
      const file = await openExisting(path, 'read');
      try {
        return await file.readFile();
      } finally {
        await file.close();
      }
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw diskError('read a recording', error);
    }
  }
}
