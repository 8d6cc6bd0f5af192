// The identity of an agent in a file of its data directory: created exclusively, replaced by rename, synced both times.
import { randomBytes } from 'node:crypto';
import { link, mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { GatehouseError } from '#core/errors/error.ts';
import { decodeRecord, encodeRecord, type CredentialStore, type HostRecord } from './credentials.ts';

export const IDENTITY_FILE = 'identity.json';
const MAX_BYTES = 1024 * 1024;

/**
 * `<dataDir>/identity.json`, mode 0600, in a directory of mode 0700. Of several processes that create at once exactly
 * one wins; replacing is for the process that has the data directory. STORAGE_FAILED when the disk fails.
 */
export function openCredentialDir(dataDir: string): CredentialStore {
  const path = join(dataDir, IDENTITY_FILE);
  return {
    place: path,
    load: () => guarded(path, () => load(path)),
    create: (record) => guarded(path, () => create(path, record)),
    replace: (record) => guarded(path, () => replace(path, record)),
  };
}

async function load(path: string): Promise<HostRecord | undefined> {
  const text = await read(path);
  return text === undefined ? undefined : decodeRecord(text, path);
}

/** The name appears with the whole record behind it, or not at all. */
async function create(path: string, record: HostRecord): Promise<void> {
  const draft = await writeDraft(path, record);
  try {
    await link(draft, path);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    // Whoever won has swept the drafts of the others.
    if (code === 'EEXIST' || (code === 'ENOENT' && (await read(path)) !== undefined)) {
      throw new GatehouseError('ALREADY_EXISTS', `${path} holds an identity already`, { cause });
    }
    throw cause;
  } finally {
    await rm(draft, { force: true });
  }
  await settle(path);
}

async function replace(path: string, record: HostRecord): Promise<void> {
  const stored = await load(path);
  if (stored === undefined || stored.generation !== record.generation - 1) {
    throw new GatehouseError('CONDITION_FAILED', `${path} was changed by another process`);
  }
  const draft = await writeDraft(path, record);
  try {
    await rename(draft, path);
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  }
  await settle(path);
}

async function read(path: string): Promise<string | undefined> {
  let file;
  try {
    file = await open(path, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    const { size } = await file.stat();
    // Too much is as damaged as too little.
    return size > MAX_BYTES ? '' : await file.readFile('utf8');
  } finally {
    await file.close();
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

/** Makes the new name durable, and removes drafts with keys in them that a crash may have left. */
async function settle(path: string): Promise<void> {
  const folder = dirname(path);
  const directory = await open(folder, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
  for (const name of await readdir(folder)) {
    if (name.startsWith(`${basename(path)}.`) && name.endsWith('.draft')) {
      await rm(join(folder, name), { force: true });
    }
  }
}

async function guarded<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (cause instanceof GatehouseError) throw cause;
    const { code } = cause as NodeJS.ErrnoException;
    const isFull = code === 'ENOSPC' || code === 'EDQUOT';
    throw new GatehouseError(
      isFull ? 'STORAGE_FULL' : 'STORAGE_FAILED',
      `${path} cannot be used (${code ?? 'unknown error'})`,
      { cause },
    );
  }
}
