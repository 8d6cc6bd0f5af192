// The client's key agent on this machine: a socket that only the account can reach, whose connections become channels to
// the client. One for all sessions of a connection, made when the first of them asks.
import { emptyPayload } from '#wire/ssh/payloads.ts';
import type { ForwardedTo, ForwardGround } from './ground.ts';
import type { PrivateSocket } from './private-dir.ts';
import { passOn } from './remote.ts';

const FILE = 'agent.sock';

export class AgentForward {
  readonly #ground: ForwardGround;
  #socket: Promise<PrivateSocket | undefined> | undefined;
  #isClosed = false;

  constructor(ground: ForwardGround) {
    this.#ground = ground;
  }

  /** The path for SSH_AUTH_SOCK; undefined when it is refused or cannot be made. */
  async open(): Promise<string | undefined> {
    const refusal = this.#ground.refusal('agent');
    if (refusal !== undefined) {
      this.#record(refusal);
      return undefined;
    }
    this.#socket ??= this.#make();
    const socket = await this.#socket;
    return socket?.path;
  }

  review(): void {
    if (this.#socket !== undefined && this.#ground.refusal('agent') !== undefined) this.#end();
  }

  close(): void {
    this.#isClosed = true;
    this.#end();
  }

  async #make(): Promise<PrivateSocket | undefined> {
    const { dirs, account } = this.#ground.parts;
    try {
      const made = await dirs.listen(account, FILE);
      if (this.#isClosed || this.#ground.refusal('agent') !== undefined) {
        made.close();
        return undefined;
      }
      made.server.on('connection', (socket) => {
        void passOn(this.#ground, 'agent', socket, 'auth-agent@openssh.com', emptyPayload.encode({}));
      });
      this.#record();
      return made;
    } catch (error) {
      this.#socket = undefined;
      this.#record(error instanceof Error ? error.message : 'failed');
      return undefined;
    }
  }

  #end(): void {
    const ending = this.#socket;
    this.#socket = undefined;
    void ending?.then((socket) => socket?.close());
  }

  #record(error?: string): void {
    const to: ForwardedTo = { forward: 'agent', addr: 'ssh-agent', port: 0 };
    this.#ground.record(to, error);
  }
}
