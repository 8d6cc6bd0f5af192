// What every command of gatectl works with: output, and a connection that is opened when it is first needed.
import type { Api } from '#client/api.ts';
import type { Connection, ConnectOptions } from '../../connect.ts';
import type { Io } from '../../io.ts';
import { Output, type Format } from '../../output.ts';

export class Gatectl {
  readonly io: Io;
  readonly out: Output;
  readonly #options: ConnectOptions;
  #connection: Promise<Connection> | undefined;

  constructor(io: Io, options: ConnectOptions & { readonly format?: Format | undefined }) {
    this.io = io;
    this.out = new Output(io, options.format);
    this.#options = options;
  }

  /** The same connection at each call. */
  connection(): Promise<Connection> {
    this.#connection ??= import('../../connect.ts').then(({ connect }) => connect(this.io, this.#options));
    return this.#connection;
  }

  async api(): Promise<Api> {
    return (await this.connection()).api;
  }

  /** Milliseconds since the epoch. */
  now(): number {
    return this.io.clock.now();
  }

  async close(): Promise<void> {
    const connection = await this.#connection?.catch(() => undefined);
    connection?.api.close();
  }
}
