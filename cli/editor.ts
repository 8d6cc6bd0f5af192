// The user's editor on a text, in a private file. No shell is between: the words of EDITOR are a program and its arguments.
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GatehouseError } from '#core/errors/error.ts';
import type { Io } from './io.ts';

export interface Draft {
  readonly path: string;
  /** Opens the editor, waits for it, and gives the text as it is now. BAD_REQUEST when the editor fails. */
  edit(): Promise<string>;
  /** Removes the file. */
  discard(): Promise<void>;
}

/** A file of mode 0600 in a folder of mode 0700. The caller discards it, unless its text must not be lost. */
export async function openDraft(io: Io, name: string, text: string): Promise<Draft> {
  const folder = await mkdtemp(join(tmpdir(), 'gatectl-edit-'));
  const path = join(folder, name);
  await writeFile(path, text, { mode: 0o600, flag: 'wx' });
  return {
    path,
    async edit() {
      await runEditor(io, path);
      return readFile(path, 'utf8');
    },
    discard: () => rm(folder, { recursive: true, force: true }),
  };
}

function runEditor({ env }: Io, path: string): Promise<void> {
  const words = (env['VISUAL'] || env['EDITOR'] || 'vi').split(/\s+/).filter((word) => word !== '');
  const [program = 'vi', ...args] = words;
  const failed = (why: string, cause?: unknown): GatehouseError =>
    new GatehouseError('BAD_REQUEST', `the editor ${program} ${why}`, {
      cause,
      details: { remedy: 'Set EDITOR to the program to use, such as EDITOR=vim.' },
    });
  return new Promise((resolve, reject) => {
    let child: ChildProcess;
    try {
      child = spawn(program, [...args, path], { stdio: 'inherit', env });
    } catch (cause) {
      // Some failures to start are thrown, others are events.
      reject(failed('cannot be started', cause));
      return;
    }
    child.once('error', (cause) => reject(failed('cannot be started', cause)));
    child.once('close', (code, signal) =>
      code === 0
        ? resolve()
        : reject(failed(`ended with ${signal ?? `exit code ${code}`}; nothing was changed`)),
    );
  });
}
