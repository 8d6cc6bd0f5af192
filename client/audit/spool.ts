// Files in which events wait until auth has them: one small file per batch, lines of JSON. A file belongs to the process
// in its name; those of processes that are gone are sent by the next one. Apart from outbox.ts, which knows when.
import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { mkdir, open, readdir, rename, rm, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { GatehouseError } from '#core/errors/error.ts';
import { isPlainObject } from '#core/schema/check.ts';
import { isRunning, processName } from '#recordings/spool/process-name.ts';

/** Larger files were not made here. */
const MAX_FILE_BYTES = 8 * 1024 * 1024;
/** The last part names the process that made it. */
const NAME = /^(\d{13})-([0-9a-f]{8})-(\d{1,10})-(p\d{1,10}-[0-9a-f]{1,32})\.jsonl$/;
const { O_APPEND, O_CREAT, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_WRONLY } = constants;

export interface AuditSpool {
  /** A name for the next batch of this process; the file is made by the first append. */
  nextName(): string;
  /** Returns once `lines` are on stable storage. STORAGE_FULL, STORAGE_FAILED; then a part may be in the file. */
  append(name: string, lines: string): Promise<void>;
  /** Nothing more is appended. */
  seal(name: string): Promise<void>;
  /** The events in it; damaged lines are left out and counted. CORRUPT for what is no file of this spool. */
  read(name: string): Promise<{ readonly events: readonly object[]; readonly damaged: number }>;
  remove(name: string): Promise<void>;
  /** Puts a file that auth does not take aside, for a person. */
  quarantine(name: string): Promise<void>;
  /** Batches of processes that are no longer there, oldest first; those of this one are never among them. */
  orphans(): Promise<readonly string[]>;
  close(): Promise<void>;
}

/** The folder is made (mode 0700) by the first call that needs it. */
export function openAuditSpool(dir: string, startedAt: number): AuditSpool {
  return new FolderSpool(dir, startedAt);
}

class FolderSpool implements AuditSpool {
  readonly #dir: string;
  readonly #prefix: string;
  readonly #process = processName();
  readonly #open = new Map<string, FileHandle>();
  #count = 0;

  constructor(dir: string, startedAt: number) {
    this.#dir = dir;
    this.#prefix = `${String(Math.max(0, startedAt)).padStart(13, '0')}-${randomBytes(4).toString('hex')}`;
  }

  nextName(): string {
    return `${this.#prefix}-${++this.#count}-${this.#process}.jsonl`;
  }

  append(name: string, lines: string): Promise<void> {
    return guarded('write', async () => {
      const file = this.#open.get(name) ?? (await this.#make(name));
      const data = Buffer.from(lines);
      for (let done = 0; done < data.length;) {
        done += (await file.write(data, done, data.length - done)).bytesWritten;
      }
      await file.datasync();
    });
  }

  async seal(name: string): Promise<void> {
    const file = this.#open.get(name);
    this.#open.delete(name);
    await file?.close().catch(() => {});
  }

  read(name: string): Promise<{ readonly events: readonly object[]; readonly damaged: number }> {
    return guarded('read', async () => {
      const path = join(this.#dir, name);
      const file = await open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK).catch(
        (error: NodeJS.ErrnoException) => {
          if (error.code !== 'ENOENT' && error.code !== 'ELOOP') throw error;
          throw new GatehouseError('CORRUPT', `${name} is gone, or a link`, { cause: error });
        },
      );
      try {
        const facts = await file.stat();
        if (!facts.isFile() || facts.size > MAX_FILE_BYTES) {
          throw new GatehouseError('CORRUPT', `${name} is not a file of waiting audit events`);
        }
        return parseLines(await file.readFile('utf8'));
      } finally {
        await file.close();
      }
    });
  }

  remove(name: string): Promise<void> {
    return guarded('remove', () => rm(join(this.#dir, name), { force: true }));
  }

  quarantine(name: string): Promise<void> {
    return guarded('set aside', async () => {
      const aside = join(this.#dir, 'refused');
      await mkdir(aside, { recursive: true, mode: 0o700 });
      await rename(join(this.#dir, name), join(aside, name));
    });
  }

  async orphans(): Promise<readonly string[]> {
    const names = await readdir(this.#dir).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return [];
      throw storageError('list', error);
    });
    return names
      .filter((name) => !name.startsWith(this.#prefix) && this.#isOrphan(name))
      .sort((one, other) => compareNames(one, other));
  }

  /** The number of a process alone says nothing: after a restart of the machine another one has it. */
  #isOrphan(name: string): boolean {
    const maker = NAME.exec(name)?.[4];
    return maker !== undefined && (maker === this.#process || !isRunning(maker));
  }

  async close(): Promise<void> {
    await Promise.all(Array.from(this.#open.keys(), (name) => this.seal(name)));
  }

  async #make(name: string): Promise<FileHandle> {
    await mkdir(this.#dir, { recursive: true, mode: 0o700 });
    const file = await open(join(this.#dir, name), O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW, 0o600);
    this.#open.set(name, file);
    const folder = await open(this.#dir, O_RDONLY);
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
    return file;
  }
}

function compareNames(one: string, other: string): number {
  const [first, second] = [one, other].map(orderOf);
  return first === second ? 0 : (first ?? '') < (second ?? '') ? -1 : 1;
}

/** Text that sorts as the files were begun. */
function orderOf(name: string): string {
  const [, begun, by, number = ''] = NAME.exec(name) ?? [];
  return `${begun}-${by}-${number.padStart(10, '0')}`;
}

/** Exported for its fuzz target. */
export function parseLines(text: string): { readonly events: readonly object[]; readonly damaged: number } {
  const events: object[] = [];
  let damaged = 0;
  for (const line of text.split('\n')) {
    if (line === '') continue;
    const event = parseLine(line);
    if (event === undefined) damaged++;
    else events.push(event);
  }
  return { events, damaged };
}

function parseLine(line: string): object | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return isPlainObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

async function guarded<T>(action: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw storageError(action, error);
  }
}

function storageError(action: string, cause: unknown): GatehouseError {
  if (cause instanceof GatehouseError) return cause;
  const reason = (cause as NodeJS.ErrnoException).code ?? 'unknown error';
  const code = reason === 'ENOSPC' || reason === 'EDQUOT' ? 'STORAGE_FULL' : 'STORAGE_FAILED';
  return new GatehouseError(code, `cannot ${action} waiting audit events: ${reason}`, { cause });
}
