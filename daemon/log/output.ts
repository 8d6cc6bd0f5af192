// Where log lines go: a standard stream or a file. Writing never throws; a log that cannot be written must not stop
// the service, and is told of on stderr once.
import { open, type FileHandle } from 'node:fs/promises';
import type { Writable } from 'node:stream';
import { GatehouseError } from '#core/errors/error.ts';

export interface LogOutput {
  /** One line, without its line break. */
  write(line: string, level: string): void;
  /** Opens the file anew, after it was moved away by a rotation. */
  reopen?(): Promise<void>;
  /** Resolves when everything written is with the system. Safe to call twice. */
  close(): Promise<void>;
}

/** Lines that may wait for a slow disk; beyond this they are counted and left out. */
const MAX_WAITING = 10_000;

/** The caller keeps the stream. */
export function streamOutput(stream: Writable): LogOutput {
  // A terminal that went away is no reason to stop.
  stream.on('error', () => {});
  return {
    write: (line) => void stream.write(`${line}\n`),
    close: () => new Promise((resolve) => void stream.write('', () => resolve())),
  };
}

/** Appends to the file, made with mode 0640 as far as the umask lets it. INVALID_CONFIG when it cannot be opened. */
export async function fileOutput(path: string, complain: (message: string) => void): Promise<LogOutput> {
  return new FileOutput(await openFile(path), path, complain);
}

async function openFile(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'a', 0o640);
  } catch (cause) {
    const { code = 'unknown error' } = cause as NodeJS.ErrnoException;
    throw new GatehouseError(
      'INVALID_CONFIG',
      `log.output: cannot write to ${path} (${code}); name another file, or log to stderr`,
      { cause, details: { remedy: '' } },
    );
  }
}

class FileOutput implements LogOutput {
  #file: FileHandle;
  readonly #path: string;
  readonly #complain: (message: string) => void;
  #waiting: string[] = [];
  #lost = 0;
  #writing: Promise<void> | undefined;
  #hasComplained = false;
  #closing: Promise<void> | undefined;

  constructor(file: FileHandle, path: string, complain: (message: string) => void) {
    this.#file = file;
    this.#path = path;
    this.#complain = complain;
  }

  write(line: string): void {
    if (this.#closing !== undefined) return;
    if (this.#waiting.length >= MAX_WAITING) this.#lost++;
    else this.#waiting.push(`${line}\n`);
    this.#writing ??= this.#flush();
  }

  async reopen(): Promise<void> {
    const file = await openFile(this.#path);
    await this.#writing;
    const before = this.#file;
    this.#file = file;
    await before.close();
  }

  close(): Promise<void> {
    return (this.#closing ??= (async () => {
      await this.#writing;
      await this.#file.close();
    })());
  }

  async #flush(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting;
      this.#waiting = [];
      if (this.#lost > 0) batch.push(`${this.#lost} log lines were lost: the disk was too slow\n`);
      this.#lost = 0;
      try {
        await this.#file.write(batch.join(''));
        this.#hasComplained = false;
      } catch (error) {
        if (!this.#hasComplained)
          this.#complain(`cannot write the log ${this.#path}: ${(error as Error).message}`);
        this.#hasComplained = true;
      }
    }
    this.#writing = undefined;
  }
}
