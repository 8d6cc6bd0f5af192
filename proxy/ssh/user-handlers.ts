// What a person may do on a connection to the SSH side of the proxy: go to a node, by direct-tcpip (`ssh -J`) or by the
// subsystem `proxy:host:port`, and nothing else. The proxy has no shell, no files, and forwards nothing.
import type { Clock } from '#core/clock.ts';
import { GatehouseError, isCode } from '#core/errors/error.ts';
import type { Log } from '#core/log.ts';
import { ChannelPort } from '#wire/splice-channel.ts';
import { directTcpip, subsystemRequest } from '#wire/ssh/payloads.ts';
import type { Channel, ConnectionHandlers, IncomingChannel, SshConnection } from '#wire/ssh/ssh.ts';
import { dropLink, joinChannel } from '../route/link.ts';
import { parseRouteRequest, routeRequest, type RouteRequest } from '../route/request.ts';
import type { Admission, ProxyUser } from './admission.ts';

/** RFC 4254 5.1. */
const PROHIBITED = 1;
const CONNECT_FAILED = 2;
const UNKNOWN_TYPE = 3;
const SHORTAGE = 4;
const MAX_CHANNELS = 128;
const SUBSYSTEM_PREFIX = 'proxy:';
const KNOWN_TYPES = new Set([
  'x11',
  'auth-agent@openssh.com',
  'forwarded-tcpip',
  'forwarded-streamlocal@openssh.com',
  'direct-streamlocal@openssh.com',
  'tun@openssh.com',
]);

export const NO_SESSIONS =
  'this is the proxy of the cluster, which has no shell, no commands and no files: name a server, as in `ssh -J PROXY LOGIN@SERVER` or `gate ssh LOGIN@SERVER`';
const NO_FORWARDS = 'the proxy of the cluster leads to servers, and forwards nothing else';

export interface UserContext {
  readonly clock: Clock;
  readonly log: Log;
  readonly admission: Admission;
  readonly clusterName: () => string;
  readonly user: ProxyUser;
  readonly connection: SshConnection;
}

export function userHandlers(context: UserContext): ConnectionHandlers {
  // Dials that are under way: each holds a socket, as a channel that is open does.
  let dials = 0;
  const dial = async (opening: IncomingChannel): Promise<void> => {
    dials++;
    try {
      await openDirect(context, opening);
    } finally {
      dials--;
    }
  };
  return {
    onChannel(opening) {
      if (context.connection.channelCount + dials >= MAX_CHANNELS) {
        opening.reject(SHORTAGE, `a connection to the proxy has at most ${MAX_CHANNELS} channels`);
      } else if (opening.type === 'direct-tcpip') void dial(opening);
      else if (opening.type === 'session') new SessionPort(context).accept(opening);
      else if (KNOWN_TYPES.has(opening.type)) opening.reject(PROHIBITED, NO_FORWARDS);
      else opening.reject(UNKNOWN_TYPE, NO_FORWARDS);
    },
    // tcpip-forward, streamlocal-forward and whatever else is asked of the connection.
    onRequest: () => false,
  };
}

async function openDirect(context: UserContext, opening: IncomingChannel): Promise<void> {
  const { admission, user, clock } = context;
  try {
    const { host, port } = directTcpip.decode(opening.payload);
    const { link } = await admission.open(user, routeRequest(host, port));
    const end = new ChannelPort();
    const channel = opening.accept(end);
    if (channel.isOpen) joinChannel(end.bind(channel), link, clock);
    else dropLink(link);
  } catch (error) {
    opening.reject(
      isCode(error, 'UNAVAILABLE', 'NOT_FOUND') ? CONNECT_FAILED : PROHIBITED,
      textFor(context, error),
    );
  }
}

/** A session channel, which is good for the subsystem that leads to a node. */
class SessionPort extends ChannelPort {
  readonly #context: UserContext;
  #own: Channel | undefined;
  #isUsed = false;
  #said = '';

  constructor(context: UserContext) {
    super();
    this.#context = context;
  }

  accept(opening: IncomingChannel): void {
    this.#own = opening.accept(this);
    this.bind(this.#own);
  }

  async onRequest(name: string, payload: Uint8Array): Promise<boolean> {
    if (name === 'subsystem') return await this.#startSubsystem(payload);
    if (name === 'shell' || name === 'exec' || name === 'pty-req') return await this.#refuse(NO_SESSIONS);
    return false;
  }

  async #startSubsystem(payload: Uint8Array): Promise<boolean> {
    try {
      const { name } = subsystemRequest.decode(payload);
      if (this.#isUsed || !name.startsWith(SUBSYSTEM_PREFIX)) return await this.#refuse(NO_SESSIONS);
      this.#isUsed = true;
      await this.#goTo(parseRouteRequest(name.slice(SUBSYSTEM_PREFIX.length), this.#context.clusterName()));
      return true;
    } catch (error) {
      return await this.#refuse(textFor(this.#context, error));
    }
  }

  async #goTo(request: RouteRequest): Promise<void> {
    const { admission, user, clock } = this.#context;
    const { link } = await admission.open(user, request);
    if (this.#own?.isOpen === true) joinChannel(this, link, clock);
    else {
      dropLink(link);
      throw new GatehouseError('UNAVAILABLE', 'the connection ended');
    }
  }

  /** Says why, once, and makes sure that it is shown: OpenSSH leaves at the refusal without another look at its output. */
  async #refuse(message: string): Promise<false> {
    if (this.#said === message) return false;
    this.#said = message;
    this.#own?.writeStderr(Buffer.from(`${message}\r\n`));
    await this.#context.connection.probe();
    return false;
  }
}

/** What the person is told. */
function textFor({ log }: UserContext, error: unknown): string {
  if (isCode(error)) return error.message;
  log.error({ err: error }, 'a connection to a server failed unexpectedly');
  return 'the proxy failed to open the connection';
}
