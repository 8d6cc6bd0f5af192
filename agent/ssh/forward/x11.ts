// X11 of a session: a display on the loopback of this machine, from number 10 on, whose connections become channels to
// the client. The cookie that the client sends is a stand-in; its own never leaves its machine.
import type { Server } from 'node:net';
import { GatehouseError, isCode } from '#core/errors/error.ts';
import { x11Open, type X11Request } from '#wire/ssh/payloads.ts';
import { bindTcp } from './bind.ts';
import type { ForwardedTo, ForwardGround } from './ground.ts';
import { passOn } from './remote.ts';
import { addXauth, requireSoundX11, type XauthUser } from './xauth.ts';

const FIRST_PORT = 6000;
/** Displays of one connection at a time. */
const MAX_DISPLAYS = 16;

interface Display {
  readonly number: number;
  readonly servers: readonly Server[];
}

export class X11Forward {
  readonly #ground: ForwardGround;
  readonly #user: XauthUser;
  readonly #open = new Set<Display>();
  #isClosed = false;

  constructor(ground: ForwardGround, user: XauthUser) {
    this.#ground = ground;
    this.#user = user;
  }

  /** The value of DISPLAY, and how to end it; undefined when it is refused or cannot be made. */
  async open(request: X11Request): Promise<{ readonly display: string; close(): void } | undefined> {
    const refusal =
      this.#ground.refusal('x11') ??
      (this.#open.size >= MAX_DISPLAYS ? `more than ${MAX_DISPLAYS} displays` : undefined);
    if (refusal !== undefined) {
      this.#record(0, refusal);
      return undefined;
    }
    let display: Display | undefined;
    try {
      requireSoundX11(request);
      display = await this.#bind();
      this.#open.add(display);
      // Before the cookie is known: a connection that nobody takes would stay open for ever.
      this.#serve(display, request.singleConnection);
      await addXauth(request, display.number, this.#user, this.#ground.parts.host.clock);
      if (this.#isClosed) throw new GatehouseError('UNAVAILABLE', 'the connection ended');
      const lost = this.#ground.refusal('x11');
      if (lost !== undefined) throw new GatehouseError('ACCESS_DENIED', lost);
    } catch (error) {
      if (display !== undefined) this.#end(display);
      this.#record(display?.number ?? 0, isCode(error) ? error.message : 'internal error');
      return undefined;
    }
    const made = display;
    this.#record(made.number);
    return { display: `localhost:${made.number}.${request.screen}`, close: () => this.#end(made) };
  }

  review(): void {
    if (this.#ground.refusal('x11') !== undefined) for (const display of this.#open) this.#end(display);
  }

  close(): void {
    this.#isClosed = true;
    for (const display of this.#open) this.#end(display);
  }

  async #bind(): Promise<Display> {
    const { displayOffset, maxDisplays } = this.#ground.parts.config.x11;
    for (let number = displayOffset; number < displayOffset + maxDisplays; number++) {
      try {
        const { servers } = await bindTcp('localhost', FIRST_PORT + number, true);
        return { number, servers };
      } catch (error) {
        const isTaken = isCode(error, 'UNAVAILABLE') && error.message === 'EADDRINUSE';
        if (!isTaken) throw error;
      }
    }
    throw new GatehouseError('LIMIT_EXCEEDED', 'all displays of this server are taken');
  }

  #serve(display: Display, isSingle: boolean): void {
    for (const server of display.servers) {
      server.on('connection', (socket) => {
        if (isSingle) this.#end(display);
        const { remoteAddress: originHost = '127.0.0.1', remotePort: originPort = 0 } = socket;
        void passOn(this.#ground, 'x11', socket, 'x11', x11Open.encode({ originHost, originPort }));
      });
    }
  }

  #end(display: Display): void {
    this.#open.delete(display);
    for (const server of display.servers) server.close();
  }

  #record(display: number, error?: string): void {
    const to: ForwardedTo = { forward: 'x11', addr: `display ${display}`, port: FIRST_PORT + display };
    this.#ground.record(to, error);
  }
}
