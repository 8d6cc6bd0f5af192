// One connection that was let in: sends its channels and requests where they are served, holds what they may do as that
// changes, and closes what they opened when it ends.
import { randomUUID } from 'node:crypto';
import type { MergedOptions } from '#core/access/options.ts';
import type { JoinDuty } from '#core/access/require-join.ts';
import type { SshGrant } from '#core/certs/ssh/verify.ts';
import { GatehouseError, isCode } from '#core/errors/error.ts';
import type { UserIdentity } from '#core/identity.ts';
import type { ConnectionHandlers, IncomingChannel, SshConnection } from '#wire/ssh/ssh.ts';
import type { LoginAccount, SshAccess, SshHost, SshPeer } from './context.ts';
import { JOIN_LOGIN, type Admission, type Verdict } from '#core/access/ssh-access.ts';
import { ConnectionForwards } from './forward/connection-forwards.ts';
import type { ForwardParts } from './forward/ground.ts';
import type { Admitted, SshOrigin } from './handshake.ts';
import type { CutReason, Watched } from '#core/access/session-monitor.ts';
import type { RefusedPerson, SshRefusals } from './refusals.ts';
import type { ServeGuest, ServeSession } from './session/parts.ts';

/** Unlike `by application`, clients of ours show its text. */
const SERVICE_NOT_AVAILABLE = 7;
const PROHIBITED = 1;
const UNKNOWN_TYPE = 3;
const SHORTAGE = 4;

export interface LiveParts {
  readonly host: SshHost;
  readonly config: ForwardParts['config'];
  readonly dirs: ForwardParts['dirs'];
  readonly refusals: SshRefusals;
  readonly serveSession: ServeSession;
  readonly serveGuest: ServeGuest;
  /** What stands in front of a program that runs as the account. */
  readonly prefixOf: (account: LoginAccount) => readonly string[];
  readonly review: (admitted: Admitted) => Verdict;
}

/** What holds for the connection, as it is now. */
class LiveAccess implements SshAccess {
  readonly identity: UserIdentity;
  readonly login: string;
  readonly grant: SshGrant;
  readonly roles: readonly string[];
  readonly remoteAddress: string;
  readonly localAddress: string;
  admission: Admission;

  constructor({ question, admission }: Admitted, origin: SshOrigin) {
    this.identity = question.identity;
    this.login = question.login;
    this.grant = question.grant;
    this.roles = question.identity.roles;
    this.remoteAddress = origin.remoteAddress;
    this.localAddress = origin.localAddress;
    this.admission = admission;
  }

  get options(): MergedOptions {
    return this.admission.options;
  }

  get duties(): readonly JoinDuty[] {
    return this.admission.duties;
  }
}

export class LiveConnection implements ConnectionHandlers, Watched<Admission>, SshPeer {
  readonly access: LiveAccess;
  readonly connection: SshConnection;
  readonly #parts: LiveParts;
  readonly #admitted: Admitted;
  #forwards: ConnectionForwards | undefined;
  #onReview: Set<() => void> | undefined;
  #sessions = 0;
  #isLast = false;

  constructor(parts: LiveParts, connection: SshConnection, admitted: Admitted, origin: SshOrigin) {
    this.#parts = parts;
    this.#admitted = admitted;
    this.connection = connection;
    this.access = new LiveAccess(admitted, origin);
  }

  /** Came to join sessions of others: has no account here. */
  get #isGuest(): boolean {
    return this.access.login === JOIN_LOGIN;
  }

  get lastInputAt(): number {
    return this.connection.lastInputAt;
  }

  /** Open sessions; forwards are not counted. */
  get sessions(): number {
    return this.#sessions;
  }

  /** Something would be lost if the connection ended now. */
  get isInUse(): boolean {
    return this.connection.channelCount > 0 || this.#forwards?.isListening === true;
  }

  readonly onChannel = (opening: IncomingChannel): void => {
    try {
      if (opening.type === 'session') this.#openSession(opening);
      else if (this.#isGuest) opening.reject(PROHIBITED, 'this login is for joining sessions only');
      else if (!this.#forwarding().serves(opening))
        opening.reject(UNKNOWN_TYPE, 'this channel is not served here');
    } catch (error) {
      if (!isCode(error)) throw error;
      opening.reject(PROHIBITED, 'the channel cannot be opened: its bytes are malformed');
    }
  };

  readonly onRequest = (
    name: string,
    payload: Uint8Array,
  ): boolean | Uint8Array | Promise<boolean | Uint8Array> => {
    if (name === 'no-more-sessions@openssh.com') {
      this.#isLast = true;
      return true;
    }
    if (this.#isGuest) return false;
    try {
      return this.#forwarding().request(name, payload);
    } catch (error) {
      if (!isCode(error)) throw error;
      return false;
    }
  };

  review(): Verdict {
    return this.#parts.review(this.#admitted);
  }

  changed(admission: Admission): void {
    this.access.admission = admission;
    this.#forwards?.review();
    for (const listener of this.#onReview ?? []) listener();
  }

  onReview(listener: () => void): () => void {
    const listeners = (this.#onReview ??= new Set());
    listeners.add(listener);
    return () => listeners.delete(listener);
  }

  cut(why: CutReason, message: string): void {
    const { host } = this.#parts;
    const { identity, login, remoteAddress, localAddress } = this.access;
    host.log.info({ user: identity.name, login, why }, 'an SSH connection was ended');
    host.emit({
      event: 'client.disconnect',
      user: identity.name,
      ...(identity.impersonator === undefined ? {} : { impersonator: identity.impersonator }),
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

  /** The person reads `message`. */
  end(message: string): void {
    this.connection.disconnect(SERVICE_NOT_AVAILABLE, message);
  }

  /** The connection is closed. */
  closed(): void {
    this.#forwards?.close();
  }

  #openSession(opening: IncomingChannel): void {
    if (this.#isLast) {
      opening.reject(PROHIBITED, 'no more sessions were asked for');
      return;
    }
    const { maxSessions } = this.access.options;
    if (maxSessions !== undefined && this.#sessions >= maxSessions) {
      const reason = `${maxSessions} sessions at a time are allowed on one connection (max_sessions)`;
      this.#parts.refusals.limited(this.#person(), reason);
      opening.reject(SHORTAGE, reason);
      return;
    }
    if (this.#isGuest) this.#parts.serveGuest(this.#counted(opening), this);
    else this.#parts.serveSession(this.#counted(opening), this, this.#forwarding());
  }

  /** The same opening; the session counts from its acceptance to its end. */
  #counted(opening: IncomingChannel): IncomingChannel {
    return {
      type: opening.type,
      payload: opening.payload,
      accept: (receiver, confirmation) => {
        const onClose = receiver.onClose?.bind(receiver);
        receiver.onClose = () => {
          this.#sessions--;
          onClose?.();
        };
        this.#sessions++;
        return opening.accept(receiver, confirmation);
      },
      reject: (code, message) => opening.reject(code, message),
    };
  }

  #forwarding(): ConnectionForwards {
    const { host, config, dirs, prefixOf } = this.#parts;
    const { account } = this.#admitted;
    if (account === undefined)
      throw new GatehouseError('ACCESS_DENIED', 'whoever joins sessions has no account');
    this.#forwards ??= new ConnectionForwards(
      { host, peer: this, account, connectionId: randomUUID(), config, dirs },
      prefixOf(account),
    );
    return this.#forwards;
  }

  #person(): RefusedPerson {
    const { identity, login, remoteAddress } = this.access;
    const { remoteIp } = this.#admitted.question;
    return { identity, login, remoteAddress, remoteIp };
  }
}
