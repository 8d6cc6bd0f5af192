// The side of the new process in a graceful restart: the sockets it was given, its turn, and the word that it serves.
import { GatehouseError } from '#core/errors/error.ts';
import { decodeSockets, HANDOVER_VARIABLE, messageOf, wordOf, type Word } from './messages.ts';
import type { InheritedSocket } from './sockets.ts';

/** The process object, as far as it is needed: `send` is there in a child with a channel. */
export interface ParentChannel {
  readonly send?: ((message: unknown) => boolean) | undefined;
  readonly connected?: boolean;
  on(event: 'message', listener: (message: unknown) => void): unknown;
  once(event: 'disconnect', listener: () => void): unknown;
  off(event: 'message', listener: (message: unknown) => void): unknown;
  disconnect?(): void;
}

export interface Predecessor {
  readonly sockets: readonly InheritedSocket[];
  /** Resolves when what only one process may have is free. UNAVAILABLE when the old process ends or gives up. */
  turn(): Promise<void>;
  /** Tells that this process serves; the old one takes nothing new from then on. */
  ready(): void;
}

/** Undefined for a process that takes over from nobody. */
export function findPredecessor(
  environment: Readonly<Record<string, string | undefined>>,
  channel: ParentChannel | undefined,
): Predecessor | undefined {
  const sockets = decodeSockets(environment[HANDOVER_VARIABLE] ?? '');
  if (sockets === undefined || channel?.send === undefined) return undefined;
  const say = (word: Word): void => void channel.send?.(messageOf(word));
  return {
    sockets,
    turn() {
      return new Promise((resolve, reject) => {
        const listener = (message: unknown): void => {
          if (wordOf(message) !== 'go') return;
          channel.off('message', listener);
          resolve();
        };
        channel.on('message', listener);
        channel.once('disconnect', () => {
          reject(new GatehouseError('UNAVAILABLE', 'the process to take over from is gone'));
        });
        say('waiting');
      });
    },
    ready() {
      if (channel.connected !== true) return;
      say('ready');
      channel.disconnect?.();
    },
  };
}
