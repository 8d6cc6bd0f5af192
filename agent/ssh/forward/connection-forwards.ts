// All forwards of one connection: which channel or request goes where. What was never asked for is not made, because an
// idle connection costs what it holds.
import type { IncomingChannel } from '#wire/ssh/ssh.ts';
import { streamlocalForward, tcpipForward, type X11Request } from '#wire/ssh/payloads.ts';
import type { SessionForwards } from '../context.ts';
import { AgentForward } from './agent.ts';
import { ForwardGround, type ForwardParts } from './ground.ts';
import { openSocket, openTcp } from './local.ts';
import { RemoteForwards } from './remote.ts';
import { X11Forward } from './x11.ts';
import type { XauthUser } from './xauth.ts';

export class ConnectionForwards implements SessionForwards {
  readonly #ground: ForwardGround;
  readonly #user: XauthUser;
  #remote: RemoteForwards | undefined;
  #agent: AgentForward | undefined;
  #x11: X11Forward | undefined;

  constructor(parts: ForwardParts, prefix: readonly string[]) {
    this.#ground = new ForwardGround(parts);
    this.#user = { prefix, home: parts.account.home };
  }

  /** Something on this machine waits for connections to pass on. */
  get isListening(): boolean {
    return this.#remote?.isListening === true;
  }

  /** True when the channel is one of forwards: it is accepted or rejected, now or later. A throw is malformed bytes. */
  serves(opening: IncomingChannel): boolean {
    if (opening.type === 'direct-tcpip') openTcp(this.#ground, opening);
    else if (opening.type === 'direct-streamlocal@openssh.com') openSocket(this.#ground, opening);
    else return false;
    return true;
  }

  /** A global request: the answer, or false. */
  request(name: string, payload: Uint8Array): boolean | Uint8Array | Promise<boolean | Uint8Array> {
    switch (name) {
      case 'tcpip-forward': {
        const { host, port } = tcpipForward.decode(payload);
        return this.#remotes().bind(host, port);
      }
      case 'cancel-tcpip-forward': {
        const { host, port } = tcpipForward.decode(payload);
        return this.#remotes().cancel(host, port);
      }
      case 'streamlocal-forward@openssh.com':
        return this.#remotes().bindPath(streamlocalForward.decode(payload).path);
      case 'cancel-streamlocal-forward@openssh.com':
        return this.#remotes().cancelPath(streamlocalForward.decode(payload).path);
      default:
        return false;
    }
  }

  openAgent(): Promise<string | undefined> {
    this.#agent ??= new AgentForward(this.#ground);
    return this.#agent.open();
  }

  openX11(request: X11Request): Promise<{ readonly display: string; close(): void } | undefined> {
    this.#x11 ??= new X11Forward(this.#ground, this.#user);
    return this.#x11.open(request);
  }

  /** The options of the connection changed: what they no longer permit ends. */
  review(): void {
    this.#ground.review();
    this.#remote?.review();
    this.#agent?.review();
    this.#x11?.review();
  }

  /** Everything ends and is removed. Channels end with their connection. */
  close(): void {
    this.#remote?.close();
    this.#agent?.close();
    this.#x11?.close();
  }

  #remotes(): RemoteForwards {
    return (this.#remote ??= new RemoteForwards(this.#ground));
  }
}
