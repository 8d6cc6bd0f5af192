// The listening sockets of this process, by the setting that asked for each: those that it was started with, and those that
// it hands to its successor. The kernel keeps connections waiting on a socket for as long as one process has it.
import { closeSync } from 'node:fs';
import type { ListenAddress, ListeningSockets, ListenTarget } from '#core/listening.ts';

export interface InheritedSocket {
  readonly setting: string;
  /** As the configuration of the process that bound it had it, `host:port`. */
  readonly asked: string;
  /** As bound. */
  readonly port: number;
  readonly fd: number;
}

/** What Node has of a server and does not tell: the descriptor of its socket. */
interface Listening {
  readonly _handle?: { readonly fd?: number } | null;
  address(): { readonly port: number } | string | null;
}

interface Opened {
  readonly asked: string;
  readonly port: number;
  readonly server: Listening;
}

export class ProcessSockets implements ListeningSockets {
  readonly #inherited: Map<string, InheritedSocket>;
  readonly #opened = new Map<string, Opened>();

  constructor(inherited: readonly InheritedSocket[]) {
    this.#inherited = new Map(inherited.map((socket) => [socket.setting, socket]));
  }

  claim(setting: string, address: ListenAddress): ListenTarget {
    const asked = nameOf(address);
    const inherited = this.#inherited.get(setting);
    // Another address in the configuration: the old socket is closed, a new one is bound.
    if (inherited?.asked === asked) {
      this.#inherited.delete(setting);
      return { fd: inherited.fd, host: '0.0.0.0', port: 0 };
    }
    // A part that was closed and comes back has the port it had, also where any would do.
    const before = this.#opened.get(setting);
    return before?.asked === asked ? { ...address, port: before.port } : address;
  }

  opened(setting: string, address: ListenAddress, server: object): void {
    const listening = server as Listening;
    const bound = listening.address();
    const port = typeof bound === 'object' && bound !== null ? bound.port : address.port;
    this.#opened.set(setting, { asked: nameOf(address), port, server: listening });
  }

  /** Those that are open now. Their servers keep them; a child process is given the descriptors. */
  list(): readonly InheritedSocket[] {
    return [...this.#opened].flatMap(([setting, { asked, port, server }]) => {
      const fd = server._handle?.fd;
      return fd === undefined || fd < 0 ? [] : [{ setting, asked, port, fd }];
    });
  }

  /** Those that nobody claimed: the configuration wants them no more. To be called when all servers listen. */
  closeUnclaimed(): void {
    for (const { fd } of this.#inherited.values()) closeSync(fd);
    this.#inherited.clear();
  }
}

const nameOf = ({ host, port }: ListenAddress): string => `${host}:${port}`;
