// Files and folders that the client has open, by the handles it was given. Bounded: who opens more is refused.
import { closeSync, opendirSync, type Dir } from 'node:fs';
import { GatehouseError } from '#core/errors/error.ts';

export type OpenHandle =
  | { readonly is: 'file'; readonly fd: number; readonly appends: boolean }
  | {
      readonly is: 'folder';
      readonly path: Buffer;
      readonly next: () => Buffer | undefined;
      readonly entries: Dir;
    };

export const MAX_HANDLES = 1000;

export class OpenHandles {
  readonly #open = new Map<string, OpenHandle>();
  #next = 0;

  /** LIMIT_EXCEEDED when there are too many; then what it is of is closed. */
  add(handle: OpenHandle): string {
    if (this.#open.size >= MAX_HANDLES) {
      release(handle);
      throw new GatehouseError('LIMIT_EXCEEDED', 'too many open files');
    }
    const name = String(this.#next++);
    this.#open.set(name, handle);
    return name;
  }

  /** BAD_REQUEST when it is no handle, or not of this sort. */
  file(name: string): Extract<OpenHandle, { readonly is: 'file' }> {
    const handle = this.#open.get(name);
    if (handle?.is === 'file') return handle;
    throw new GatehouseError('BAD_REQUEST', 'there is no such file handle');
  }

  folder(name: string): Extract<OpenHandle, { readonly is: 'folder' }> {
    const handle = this.#open.get(name);
    if (handle?.is === 'folder') return handle;
    throw new GatehouseError('BAD_REQUEST', 'there is no such folder handle');
  }

  close(name: string): void {
    const handle = this.#open.get(name);
    if (handle === undefined) throw new GatehouseError('BAD_REQUEST', 'there is no such handle');
    this.#open.delete(name);
    release(handle);
  }

  closeAll(): void {
    for (const name of this.#open.keys()) this.close(name);
  }
}

/** Its names come with those for itself and its parent, which Node leaves out and clients show. */
export function openFolder(path: Buffer): OpenHandle {
  // The types do not know that names can be bytes.
  const entries = opendirSync(path as unknown as string, { encoding: 'buffer' as BufferEncoding });
  const first = ['.', '..'];
  const next = (): Buffer | undefined => {
    const dots = first.shift();
    if (dots !== undefined) return Buffer.from(dots);
    return entries.readSync()?.name as unknown as Buffer | undefined;
  };
  return { is: 'folder', path, next, entries };
}

function release(handle: OpenHandle): void {
  if (handle.is === 'file') closeSync(handle.fd);
  else handle.entries.closeSync();
}
