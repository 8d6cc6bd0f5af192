// What the old and the new process say to each other during a graceful restart, over the channel that Node opens to a
// child. Both may be of different versions: what is not understood is ignored.
//
//   old: starts new ─────────────▶ new: reads its configuration
//        gives up what only one may have ◀─ waiting ─
//        ─ go ──────────────────▶      opens its services
//        drains ◀─────────────── ready ─ and closes the channel
import type { InheritedSocket } from './sockets.ts';

/** In the environment of the new process: its sockets, as JSON. */
export const HANDOVER_VARIABLE = 'GATEHOUSE_HANDOVER';
/** Descriptors of a child: its standard streams, the channel, and the sockets from here on. */
export const FIRST_SOCKET_FD = 4;

export type Word = 'waiting' | 'go' | 'ready';

export const wordOf = (message: unknown): Word | undefined => {
  const word = (message as { gatehouse?: unknown } | null)?.gatehouse;
  return word === 'waiting' || word === 'go' || word === 'ready' ? word : undefined;
};

export const messageOf = (word: Word): { readonly gatehouse: Word } => ({ gatehouse: word });

export function encodeSockets(sockets: readonly InheritedSocket[]): string {
  return JSON.stringify(sockets.map((socket, index) => ({ ...socket, fd: FIRST_SOCKET_FD + index })));
}

/** Undefined for what `encodeSockets` did not write. */
export function decodeSockets(text: string): readonly InheritedSocket[] | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  return Array.isArray(value) && value.every(isSocket) ? value : undefined;
}

function isSocket(value: unknown): value is InheritedSocket {
  const { setting, asked, port, fd } = (value ?? {}) as Record<string, unknown>;
  const isFd = Number.isInteger(fd) && (fd as number) >= FIRST_SOCKET_FD;
  return typeof setting === 'string' && typeof asked === 'string' && Number.isInteger(port) && isFd;
}
