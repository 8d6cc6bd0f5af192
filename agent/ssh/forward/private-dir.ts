// Folders for the sockets that the agent makes for people: each 0700 and theirs, inside one that is the agent's alone, so
// that nobody can put a link in the place of a folder while a root agent works in it (S28).
import { chmodSync, chownSync, lchownSync, mkdirSync, mkdtempSync, rmdirSync, unlinkSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GatehouseError } from '#core/errors/error.ts';
import type { UserIds } from './as-user.ts';

/** A socket that only one account can reach. */
export interface PrivateSocket {
  readonly path: string;
  /** Paused on each connection; half-open. */
  readonly server: Server;
  /** Closes the server and removes what was made. Safe to call twice. */
  close(): void;
}

export class PrivateDirs {
  readonly #parent: string;
  #root: string | undefined;
  #count = 0;

  /** `parent` must exist; sockets of people lie below it, so everybody must be able to pass through it. */
  constructor(parent: string = tmpdir()) {
    this.#parent = parent;
  }

  /** UNAVAILABLE says what the system said. */
  async listen(account: UserIds, fileName: string): Promise<PrivateSocket> {
    const folder = join(this.#ownFolder(), String(++this.#count));
    mkdirSync(folder, { mode: 0o700 });
    const path = join(folder, fileName);
    const server = createServer({ pauseOnConnect: true, allowHalfOpen: true });
    try {
      await listening(server, path);
      // Until here the folder is the agent's: nothing in it was put there by somebody else.
      chmodSync(path, 0o600);
      if (process.getuid?.() !== account.uid) {
        lchownSync(path, account.uid, account.gid);
        chownSync(folder, account.uid, account.gid);
      }
    } catch (cause) {
      server.close();
      quietly(() => unlinkSync(path));
      quietly(() => rmdirSync(folder));
      const { code = 'failed' } = cause as NodeJS.ErrnoException;
      throw new GatehouseError('UNAVAILABLE', `no socket could be made (${code})`, { cause });
    }
    return {
      path,
      server,
      close() {
        server.close();
        // Removing names follows no links. What the person put beside it stays, and so does the folder then.
        quietly(() => unlinkSync(path));
        quietly(() => rmdirSync(folder));
      },
    };
  }

  close(): void {
    const root = this.#root;
    this.#root = undefined;
    if (root !== undefined) quietly(() => rmdirSync(root));
  }

  /** Made at the first need. Others may pass through it and neither list nor change it. */
  #ownFolder(): string {
    if (this.#root === undefined) {
      const made = mkdtempSync(join(this.#parent, 'gatehouse-'));
      chmodSync(made, process.getuid?.() === 0 ? 0o711 : 0o700);
      this.#root = made;
    }
    return this.#root;
  }
}

function listening(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject).listen({ path, backlog: 64 }, () => {
      server.off('error', reject).on('error', () => {});
      resolve();
    });
  });
}

function quietly(run: () => void): void {
  try {
    run();
  } catch {
    // It is gone already, or not ours to remove.
  }
}
