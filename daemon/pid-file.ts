// The file that init systems read the process id from: appears whole, replaces a stale one, and goes with the process.
import { randomUUID } from 'node:crypto';
import { chmod, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { GatehouseError } from '#core/errors/error.ts';

export interface PidFile {
  /** Removes it, unless another process has written its own by now. */
  remove(): Promise<void>;
}

/**
 * Whether another daemon runs is for the lock of the data directory to say, not for this file. INVALID_CONFIG when it
 * cannot be written.
 */
export async function writePidFile(path: string): Promise<PidFile> {
  const text = `${process.pid}\n`;
  const draft = `${path}.${randomUUID()}`;
  try {
    await writeFile(draft, text, { flag: 'wx' });
    // Whatever the umask: monitors run as other users.
    await chmod(draft, 0o644);
    await rename(draft, path);
  } catch (cause) {
    await rm(draft, { force: true }).catch(() => {});
    const { code = 'unknown error' } = cause as NodeJS.ErrnoException;
    throw new GatehouseError(
      'INVALID_CONFIG',
      `the pid file ${path} cannot be written (${code}); choose another place with --pid-file`,
      { cause, details: { field: 'pid_file', remedy: '' } },
    );
  }
  return {
    async remove() {
      const found = await readFile(path, 'utf8').catch(() => '');
      if (found === text) await rm(path, { force: true });
    },
  };
}
