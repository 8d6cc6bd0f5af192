// Finds and reads the files that a configuration is made of. Apart from read.ts, which is pure.
import { open, stat, type FileHandle } from 'node:fs/promises';
import { GatehouseError } from '#core/errors/error.ts';
import { Secret } from '#core/secret.ts';
import type { ConfigFlags } from './flags.ts';
import { readConfig, type ReadConfig } from './read.ts';
import { requireToken, type TokenSource } from './tokens.ts';

/** Where a file is looked for when none is named; the first that exists is read. */
export const CONFIG_PATHS = ['/etc/gatehouse.yaml', '/etc/teleport.yaml'] as const;

const MAX_CONFIG_BYTES = 512 * 1024;
const MAX_TOKEN_BYTES = 4096;
const WRITABLE_BY_ALL = 0o002;

export interface LoadOptions {
  /** The file that was named; unset: the first of `paths` that exists, and defaults when none does. */
  readonly path?: string;
  readonly hostname: string;
  readonly flags?: ConfigFlags;
  readonly paths?: readonly string[];
}

export interface LoadedConfig extends ReadConfig {
  /** The file that was read, if any. */
  readonly path?: string;
}

/**
 * Reads the configuration. INVALID_CONFIG when a named file cannot be read, when any user could write it, or when
 * readConfig refuses it; TOO_LARGE over 512 KiB.
 */
export async function loadConfig({
  path,
  paths = CONFIG_PATHS,
  ...options
}: LoadOptions): Promise<LoadedConfig> {
  const found = path ?? (await firstExisting(paths));
  if (found === undefined) return readConfig('', { ...options, source: 'the default configuration' });
  const text = await readBounded(found, MAX_CONFIG_BYTES);
  const loaded = readConfig(text, { ...options, source: found });
  if (path !== undefined || found === paths[0]) return { ...loaded, path: found };
  const message = `${found} is read, because there is no ${String(paths[0])}`;
  return { ...loaded, path: found, notices: [{ path: '', message }, ...loaded.notices] };
}

/** The token itself, read from its file when it has one; INVALID_CONFIG names the file and never the token. */
export async function readToken(source: TokenSource): Promise<Secret> {
  if (source.type === 'value') return source.value;
  const token = (await readBounded(source.path, MAX_TOKEN_BYTES)).trim();
  try {
    requireToken(token);
  } catch (error) {
    throw new GatehouseError(
      'INVALID_CONFIG',
      `${source.path} does not hold a token: ${(error as Error).message}`,
    );
  }
  return new Secret(token);
}

async function firstExisting(paths: readonly string[]): Promise<string | undefined> {
  for (const path of paths) {
    const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
      // A file that exists and cannot be looked at must not be passed over.
      if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined;
      throw unreadable(path, error);
    });
    if (found !== undefined) return path;
  }
  return undefined;
}

async function readBounded(path: string, maxBytes: number): Promise<string> {
  let file: FileHandle | undefined;
  try {
    file = await open(path, 'r');
    const { mode } = await file.stat();
    if ((mode & 0o170000) === 0o100000 && (mode & WRITABLE_BY_ALL) !== 0) {
      throw new GatehouseError(
        'INVALID_CONFIG',
        `${path} can be written by every user; run: chmod o-w ${path}`,
      );
    }
    return await readAll(file, path, maxBytes);
  } catch (error) {
    throw error instanceof GatehouseError ? error : unreadable(path, error);
  } finally {
    await file?.close();
  }
}

/** Reads to the end, whatever size the file claims to have: it may be a pipe. */
async function readAll(file: FileHandle, path: string, maxBytes: number): Promise<string> {
  const bytes = Buffer.alloc(maxBytes + 1);
  let length = 0;
  for (;;) {
    const { bytesRead } = await file.read(bytes, length, bytes.length - length, null);
    length += bytesRead;
    if (length > maxBytes) throw new GatehouseError('TOO_LARGE', `${path} is larger than ${maxBytes} bytes`);
    if (bytesRead === 0) break;
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(0, length));
  } catch {
    throw new GatehouseError('INVALID_CONFIG', `${path} is not UTF-8 text`);
  }
}

function unreadable(path: string, error: unknown): GatehouseError {
  const { code } = error as NodeJS.ErrnoException;
  const reason =
    code === 'ENOENT'
      ? 'there is no such file'
      : code === 'EACCES'
        ? 'permission denied'
        : code === 'EISDIR'
          ? 'it is a folder'
          : String(code ?? 'unknown error');
  return new GatehouseError('INVALID_CONFIG', `cannot read ${path}: ${reason}`, { cause: error });
}
