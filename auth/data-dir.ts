// What the auth service keeps in the data directory besides its store: the id of this server, made once and part of
// its certificate and audit chain, and a folder for files that live as long as one call.
import { randomUUID } from 'node:crypto';
import { chmod, link, mkdir, open, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { GatehouseError } from '#core/errors/error.ts';

const FILE = 'host_uuid';
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Reads the id, or makes and keeps one. CORRUPT when the file holds something else. */
export async function openHostId(dataDir: string): Promise<string> {
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  const path = join(dataDir, FILE);
  const known = await read(path);
  if (known !== undefined) return known;
  const draft = join(dataDir, `.${FILE}.${randomUUID()}`);
  const file = await open(draft, 'wx', 0o600);
  try {
    await file.writeFile(`${randomUUID()}\n`);
    await file.sync();
    // A link, unlike a rename, never replaces: of two that start at once one wins and both read it.
    await link(draft, path).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
  } finally {
    await file.close();
    await rm(draft, { force: true });
  }
  const made = await read(path);
  if (made !== undefined) return made;
  throw new GatehouseError('STORAGE_FAILED', `cannot keep the host id in ${path}`);
}

async function read(path: string): Promise<string | undefined> {
  let text: string;
  try {
    text = (await readFile(path, 'utf8')).trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new GatehouseError('STORAGE_FAILED', `cannot read ${path}`, { cause: error });
  }
  if (UUID.test(text)) return text;
  throw new GatehouseError(
    'CORRUPT',
    `${path} does not hold a host id; restore it, or remove it to get a new one`,
  );
}

/** A folder of mode 0700, emptied: what a crash left there may hold secrets. */
export async function openTempDir(dataDir: string): Promise<string> {
  const path = join(dataDir, 'tmp');
  await rm(path, { recursive: true, force: true });
  await mkdir(path, { recursive: true, mode: 0o700 });
  await chmod(path, 0o700);
  return path;
}
