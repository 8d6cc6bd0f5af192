// The little of ssh2 that tests use, as types: the package brings none, and its peer role here needs no more.
declare module 'ssh2' {
  import type { EventEmitter } from 'node:events';
  import type { Server as NetServer } from 'node:net';
  import type { Duplex, Readable } from 'node:stream';

  export interface Algorithms {
    readonly kex?: readonly string[];
    readonly cipher?: readonly string[];
    readonly hmac?: readonly string[];
    readonly serverHostKey?: readonly string[];
  }
  interface ConnectOptions {
    readonly host?: string;
    readonly port?: number;
    readonly sock?: Duplex;
    readonly username: string;
    readonly password?: string;
    readonly privateKey?: string | Buffer;
    readonly algorithms?: Algorithms;
  }
  interface AuthContext {
    readonly method: string;
    readonly username: string;
    accept(): void;
    reject(methods?: readonly string[]): void;
  }
  export interface ExecStream extends Duplex {
    readonly stderr: Readable;
  }
  export interface Sftp {
    readdir(
      path: string,
      done: (error: Error | undefined, list: readonly { readonly filename: string }[]) => void,
    ): void;
  }
  class Client extends EventEmitter {
    connect(options: ConnectOptions): this;
    end(): this;
    exec(command: string, done: (error: Error | undefined, stream: ExecStream) => void): this;
    sftp(done: (error: Error | undefined, sftp: Sftp) => void): this;
  }
  interface ServerConnection extends EventEmitter {
    rekey(done: () => void): void;
    on(event: 'authentication', listener: (context: AuthContext) => void): this;
    on(event: 'ready' | 'close' | 'end', listener: () => void): this;
    on(event: 'error', listener: (error: Error) => void): this;
    on(event: 'session', listener: (accept: () => EventEmitter, reject: () => void) => void): this;
  }
  class Server extends NetServer {
    constructor(
      options: { readonly hostKeys: readonly (string | Buffer)[]; readonly algorithms?: Algorithms },
      onConnection: (client: ServerConnection) => void,
    );
  }
  const ssh2: { readonly Client: typeof Client; readonly Server: typeof Server };
  export default ssh2;
}
