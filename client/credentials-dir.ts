// The identity of an agent in a file of its data directory: created exclusively, replaced by rename, synced both times.
import { link, mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { randomBytes } from 'node:crypto';
import { GatehouseError } from '#core/errors/error.ts';
import { decodeRecord, encodeRecord, type CredentialStore, type HostRecord } from './credentials.ts';

/** `<dataDir>/identity.json`, mode 0600, in a directory of mode 0700. */
export function openCredentialDir(dataDir: string): CredentialStore {
  const path = join(dataDir, 'identity.json');
  return {
    load: () => load(path),
    async create(record) {
      const draft = await writeDraft(path, record);
      try {
        await link(draft, path);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
        throw new GatehouseError('ALREADY_EXISTS', `${path} holds an identity already`, { cause: error });
      } finally {
        await rm(draft, { force: true });
      }
      await syncDirectory(path);
    },
    async replace(record) {
      const stored = await load(path);
      if (stored === undefined || stored.generation !== record.generation - 1) {
        throw new GatehouseError('CONDITION_FAILED', `${path} was changed by another process`);
      }
      await rename(await writeDraft(path, record), path);
      await syncDirectory(path);
    },
  };
}

async function load(path: string): Promise<HostRecord | undefined> {
  try {
    return decodeRecord(await readFile(path, 'utf8'), path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

async function writeDraft(path: string, record: HostRecord): Promise<string> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const draft = `${path}.${randomBytes(6).toString('hex')}.draft`;
  const file = await open(draft, 'wx', 0o600);
  try {
    await file.writeFile(encodeRecord(record));
    await file.sync();
  } finally {
    await file.close();
  }
  return draft;
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(dirname(path), 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
