// One connection that ends at this proxy: a person on one side, the server on the other. Sends channels and requests of
// both where they are judged, ends with either side, and is cut when what let it in is no longer so.
import { randomUUID } from 'node:crypto';
import { forwardRefusal, type Forward } from '#core/access/ssh-forwards.ts';
import type { Admission, Verdict } from '#core/access/ssh-access.ts';
import type { CutReason, Watched } from '#core/access/session-monitor.ts';
import { isCode } from '#core/errors/error.ts';
import { ChannelPort, spliceChannels } from '#wire/splice-channel.ts';
import { directStreamlocal, directTcpip } from '#wire/ssh/payloads.ts';
import type { Channel, ConnectionHandlers, IncomingChannel, SshConnection } from '#wire/ssh/ssh.ts';
import type { ProxyRecordings } from './recordings.ts';
import { RelayedSession } from './relayed-session.ts';
import type { Relayed, RelayedAccess, RelayHost } from './relayed-access.ts';

/** RFC 4254 5.1. */
const PROHIBITED = 1;
const CONNECT_FAILED = 2;
const UNKNOWN_TYPE = 3;
const SHORTAGE = 4;
/** RFC 4253 11.1; clients of ours show its text. */
const SERVICE_NOT_AVAILABLE = 7;
const NOT_PERMITTED = 'forwarding is not permitted';

export interface RelayedParts {
  readonly host: RelayHost;
  readonly hasAgent: boolean;
  readonly recordings: Pick<ProxyRecordings, 'record'>;
  readonly about: Omit<RelayedAccess, 'options' | 'duties'>;
  readonly admission: Admission;
  readonly review: () => Verdict;
}

/** Which permission each request for a listener on the server needs; what cancels it is always fine. */
const LISTENS: ReadonlyMap<string, Forward> = new Map([
  ['tcpip-forward', 'remote-tcp'],
  ['streamlocal-forward@openssh.com', 'remote-socket'],
]);
const CANCELS: ReadonlySet<string> = new Set([
  'cancel-tcpip-forward',
  'cancel-streamlocal-forward@openssh.com',
]);
/** Which permission each channel of the server needs, which must have been asked for before. */
const CALLS_BACK: ReadonlyMap<string, Forward> = new Map([
  ['forwarded-tcpip', 'remote-tcp'],
  ['forwarded-streamlocal@openssh.com', 'remote-socket'],
  ['auth-agent@openssh.com', 'agent'],
  ['x11', 'x11'],
]);

export class RelayedConnection implements Relayed, Watched<Admission> {
  readonly host: RelayHost;
  readonly access: RelayedAccess;
  readonly hasAgent: boolean;
  readonly recordings: Relayed['recordings'];
  readonly #parts: RelayedParts;
  readonly #id = randomUUID();
  /** What the person has asked for, and the server may use. */
  readonly #asked = new Set<Forward>();
  readonly #forwards = new Map<Channel, Forward>();
  #person: SshConnection | undefined;
  #server: SshConnection | undefined;
  #admission: Admission;
  #sessions = 0;
  #isLast = false;

  constructor(parts: RelayedParts) {
    this.#parts = parts;
    this.#admission = parts.admission;
    this.host = parts.host;
    this.hasAgent = parts.hasAgent;
    this.recordings = parts.recordings;
    const admission = (): Admission => this.#admission;
    this.access = {
      ...parts.about,
      get options() {
        return admission().options;
      },
      get duties() {
        // A server with an agent sees to them itself.
        return parts.hasAgent ? [] : admission().duties;
      },
    };
  }

  get server(): SshConnection {
    // Handlers of the person are there only after the server is.
    return this.#server as SshConnection;
  }

  get lastInputAt(): number {
    return this.#person?.lastInputAt ?? this.host.clock.now();
  }

  /** Handlers for the server's side, for before it is there. */
  readonly ofServer: ConnectionHandlers = {
    onChannel: (opening) => void this.#fromServer(opening),
    onRequest: () => false,
  };

  /** Both sides are there; the handlers for the person's. */
  begin(person: SshConnection, server: SshConnection): ConnectionHandlers {
    this.#person = person;
    this.#server = server;
    void person.closed.then(() => server.disconnect(SERVICE_NOT_AVAILABLE, 'the client has gone'));
    void server.closed.then(() =>
      person.disconnect(SERVICE_NOT_AVAILABLE, 'the server ended the connection'),
    );
    return {
      onChannel: (opening) => void this.#fromPerson(opening),
      onRequest: (name, payload) => this.#request(name, payload),
    };
  }

  review(): Verdict {
    return this.#parts.review();
  }

  changed(admission: Admission): void {
    this.#admission = admission;
    for (const [channel, forward] of this.#forwards) {
      if (this.#refusal(forward) !== undefined) channel.close();
    }
  }

  cut(why: CutReason, message: string): void {
    const { host, access } = this;
    const { identity, login, remoteAddress, localAddress } = access;
    host.log.info({ user: identity.name, login, server: host.hostId, why }, 'a relayed connection was ended');
    host.emit({
      event: 'client.disconnect',
      user: identity.name,
      login,
      server_id: host.hostId,
      server_hostname: host.hostname,
      'addr.remote': remoteAddress,
      'addr.local': localAddress,
      proto: 'ssh',
      reason: message,
    });
    this.end(message);
  }

  end(message: string): void {
    this.#person?.disconnect(SERVICE_NOT_AVAILABLE, message);
    this.#server?.disconnect(SERVICE_NOT_AVAILABLE, message);
  }

  mayCallBack(what: 'agent' | 'x11'): boolean {
    const refusal = this.#refusal(what);
    // What is permitted is told once: it may be asked for as often as a packet can be sent.
    if (!this.#asked.has(what) || refusal !== undefined) this.#record(what, what, 0, refusal);
    if (refusal === undefined) this.#asked.add(what);
    return refusal === undefined;
  }

  async #fromPerson(opening: IncomingChannel): Promise<void> {
    try {
      if (opening.type === 'session') await this.#openSession(opening);
      else if (opening.type === 'direct-tcpip') {
        const { host, port } = directTcpip.decode(opening.payload);
        await this.#openForward(opening, 'local-tcp', host, port);
      } else if (opening.type === 'direct-streamlocal@openssh.com') {
        const { path } = directStreamlocal.decode(opening.payload);
        await this.#openForward(opening, 'local-socket', path, 0);
      } else opening.reject(UNKNOWN_TYPE, 'this channel is not served here');
    } catch (error) {
      this.#rejected(opening, error);
    }
  }

  async #openSession(opening: IncomingChannel): Promise<void> {
    const { maxSessions } = this.access.options;
    if (this.#isLast) {
      opening.reject(PROHIBITED, 'no more sessions were asked for');
      return;
    }
    if (maxSessions !== undefined && this.#sessions >= maxSessions) {
      opening.reject(
        SHORTAGE,
        `${maxSessions} sessions at a time are allowed on one connection (max_sessions)`,
      );
      return;
    }
    this.#sessions++;
    const session = new RelayedSession(this);
    const { fromPerson } = session;
    try {
      session.server = await this.server.open('session', opening.payload, session.fromServer);
    } catch (error) {
      this.#sessions--;
      throw error;
    }
    session.person = opening.accept({
      ...fromPerson,
      onClose: () => {
        this.#sessions--;
        fromPerson.onClose?.();
      },
    });
    if (!session.server.isOpen) session.close();
  }

  async #openForward(opening: IncomingChannel, forward: Forward, addr: string, port: number): Promise<void> {
    const refusal = this.#refusal(forward);
    if (refusal !== undefined) {
      this.#record(forward, addr, port, refusal);
      opening.reject(PROHIBITED, NOT_PERMITTED);
      return;
    }
    try {
      await this.#join(opening, this.server, forward);
      this.#record(forward, addr, port, undefined);
    } catch (error) {
      this.#record(forward, addr, port, isCode(error) ? error.message : 'internal error');
      throw error;
    }
  }

  async #fromServer(opening: IncomingChannel): Promise<void> {
    try {
      const forward = CALLS_BACK.get(opening.type);
      const person = this.#person;
      if (forward === undefined || person === undefined || !this.#asked.has(forward))
        opening.reject(UNKNOWN_TYPE, 'nobody asked for this channel');
      else if (this.#refusal(forward) !== undefined) opening.reject(PROHIBITED, NOT_PERMITTED);
      else await this.#join(opening, person, forward);
    } catch (error) {
      this.#rejected(opening, error);
    }
  }

  /** The same channel on the other side, joined to this one. */
  async #join(opening: IncomingChannel, other: SshConnection, forward: Forward): Promise<void> {
    const far = new ChannelPort();
    const opened = await other.open(opening.type, opening.payload, far);
    far.bind(opened);
    const near = new ChannelPort();
    const channel = opening.accept(near);
    near.bind(channel);
    this.#forwards.set(channel, forward);
    near.onClosed = () => this.#forwards.delete(channel);
    spliceChannels(near, far);
  }

  #request(name: string, payload: Uint8Array): boolean | Promise<boolean | Uint8Array> {
    const { server } = this;
    if (name === 'no-more-sessions@openssh.com') {
      this.#isLast = true;
      server.notify(name, payload);
      return true;
    }
    const forward = LISTENS.get(name);
    if (forward === undefined && !CANCELS.has(name)) return false;
    if (forward !== undefined) {
      const refusal = this.#refusal(forward);
      if (refusal !== undefined) {
        this.#record(forward, 'server', 0, refusal);
        return false;
      }
      this.#asked.add(forward);
    }
    return this.#pass(name, payload, forward);
  }

  async #pass(
    name: string,
    payload: Uint8Array,
    forward: Forward | undefined,
  ): Promise<boolean | Uint8Array> {
    const answer = await this.server.request(name, payload);
    const error = answer === undefined ? 'the server refused it' : undefined;
    if (forward !== undefined) this.#record(forward, 'server', 0, error);
    return answer ?? false;
  }

  /** The server has its own word on X11 and forwarding; here it is about certificate and roles. */
  #refusal(forward: Forward): string | undefined {
    return forwardRefusal(forward, this.access, { allowTcpForwarding: true, x11: { enabled: true } });
  }

  #record(action: Forward, addr: string, port: number, error: string | undefined): void {
    if (this.hasAgent && error === undefined) return;
    const { host, access } = this;
    host.emit({
      event: 'port',
      user: access.identity.name,
      ...(access.identity.impersonator === undefined ? {} : { impersonator: access.identity.impersonator }),
      login: access.login,
      sid: this.#id,
      server_id: host.hostId,
      server_hostname: host.hostname,
      'addr.local': access.localAddress,
      'addr.remote': access.remoteAddress,
      proto: 'ssh',
      action,
      dst_addr: addr,
      dst_port: port,
      success: error === undefined,
      ...(error === undefined ? {} : { error }),
    });
  }

  #rejected(opening: IncomingChannel, error: unknown): void {
    if (!isCode(error)) this.host.log.error({ err: error }, 'a channel could not be relayed');
    const isRefused = isCode(error, 'ACCESS_DENIED', 'BAD_REQUEST');
    opening.reject(
      isRefused ? PROHIBITED : CONNECT_FAILED,
      isRefused ? 'the server refused the channel' : 'connect failed',
    );
  }
}
