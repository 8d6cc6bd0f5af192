// The side of the old process in a graceful restart: the new process, started with the same command line, with the
// listening sockets among its descriptors.
import type { ChildProcess } from 'node:child_process';
import { spawnWithoutTerminals } from '#client/clean-spawn.ts';
import { GatehouseError } from '#core/errors/error.ts';
import { encodeSockets, HANDOVER_VARIABLE, messageOf, wordOf, type Word } from './messages.ts';
import type { InheritedSocket } from './sockets.ts';

export interface Successor {
  readonly pid: number;
  /** Resolves when it has read its configuration; UNAVAILABLE when it ends before. */
  readonly waiting: Promise<void>;
  /** Resolves when it serves; UNAVAILABLE when it ends before. */
  readonly ready: Promise<void>;
  /** Resolves with how it ended, in words. */
  readonly ended: Promise<string>;
  go(): void;
  signal(signal: NodeJS.Signals): void;
}

export type StartSuccessor = (sockets: readonly InheritedSocket[]) => Successor;

export interface ProgramLine {
  readonly command: string;
  readonly args: readonly string[];
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** The same program with the same words, as it is on disk by then. */
export function successorOf({ command, args, environment }: ProgramLine): StartSuccessor {
  return (sockets) => {
    // The terminals of sessions stay with this process: one that holds them, too, keeps them from hanging up.
    const child = spawnWithoutTerminals(command, args, {
      stdio: ['inherit', 'inherit', 'inherit', 'ipc', ...sockets.map(({ fd }) => fd)],
      env: { ...environment, GATEHOUSE_GUIDE: 'no', [HANDOVER_VARIABLE]: encodeSockets(sockets) },
    });
    return new ChildSuccessor(child);
  };
}

class ChildSuccessor implements Successor {
  readonly waiting: Promise<void>;
  readonly ready: Promise<void>;
  readonly ended: Promise<string>;
  readonly #child: ChildProcess;

  constructor(child: ChildProcess) {
    this.#child = child;
    this.ended = new Promise((resolve) => {
      child.once('error', (error) => resolve(`it could not be started: ${error.message}`));
      child.once('exit', (code, signal) =>
        resolve(signal === null ? `it ended with ${code}` : `it ended by ${signal}`),
      );
    });
    this.waiting = this.#hears('waiting');
    this.ready = this.#hears('ready');
    for (const promise of [this.waiting, this.ready]) promise.catch(() => {});
    child.unref();
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  go(): void {
    // When it is gone, `ended` says so.
    this.#child.send(messageOf('go'), () => {});
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  async #hears(word: Word): Promise<void> {
    const heard = new Promise<true>((resolve) =>
      this.#child.on('message', (message) => {
        if (wordOf(message) === word) resolve(true);
      }),
    );
    const answer = await Promise.race([heard, this.ended]);
    if (answer !== true) throw new GatehouseError('UNAVAILABLE', answer);
  }
}
