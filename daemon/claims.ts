// What only one process of an installation may have at a time: the lock of the data directory, and its id in the pid file.
// Apart from both because a graceful restart gives them up, and takes them back when it fails.
import { lockDataDir, type DataDirLock } from './data-dir-lock.ts';
import { writePidFile, type PidFile } from './pid-file.ts';

export interface Claims {
  /** The lock is free for another process; the pid file is left for that process to replace. */
  release(): Promise<void>;
  /** Codes as of `openClaims`. */
  retake(): Promise<void>;
  /** Safe to call twice. */
  close(): Promise<void>;
}

/** UNAVAILABLE when another process has the directory, INVALID_CONFIG when the pid file cannot be written. */
export async function openClaims(dataDir: string, pidFile: string | undefined): Promise<Claims> {
  let lock: DataDirLock | undefined;
  let file: PidFile | undefined;
  const take = async (): Promise<void> => {
    lock = await lockDataDir(dataDir);
    if (pidFile !== undefined) file = await writePidFile(pidFile);
  };
  const release = async (): Promise<void> => {
    await lock?.release();
  };
  try {
    await take();
  } catch (error) {
    await release();
    throw error;
  }
  return {
    release,
    retake: take,
    async close() {
      await file?.remove();
      await release();
    },
  };
}
