// One connection from its first byte until it is let in: judges what the client shows, puts refusals on record, and holds
// the seats that the connection takes. A client may show several certificates; each is judged for itself.
import { GatehouseError, isCode } from '#core/errors/error.ts';
import type { AuthAnswer, PublicKeyOffer } from '#wire/ssh/ssh.ts';
import type { LoginAccount } from './context.ts';
import { readHolder, type CertificateGround, type Holder } from './authenticate.ts';
import { JOIN_LOGIN, type AccessQuestion, type Admission, type Verdict } from '#core/access/ssh-access.ts';
import type { ConnectionLimits } from './limits.ts';
import type { RefusedPerson, SshRefusals } from './refusals.ts';

/** Where a connection comes from. */
export interface SshOrigin {
  /** `ip:port` of the person's client, as core/ip-port.ts writes it. */
  readonly remoteAddress: string;
  /** `ip:port` that was connected to. */
  readonly localAddress: string;
  /** The host id of the proxy in between. */
  readonly via?: string;
}

export interface HandshakeParts {
  readonly limits: ConnectionLimits;
  readonly refusals: SshRefusals;
  ground(remoteIp: string): CertificateGround;
  decide(question: AccessQuestion): Verdict;
  /** NOT_FOUND when there is no such account here, NOT_SUPPORTED when this agent cannot serve it. */
  findAccount(login: string): Promise<LoginAccount>;
}

/** Somebody who was let in. */
export interface Admitted {
  readonly question: AccessQuestion;
  readonly admission: Admission;
  /** Undefined for those who come to join sessions of others (JOIN_LOGIN). */
  readonly account: LoginAccount | undefined;
}

/** Undefined for an offer that is still to be proven, with which no authentication ends. */
export type LoginAnswer = AuthAnswer<Admitted | undefined>;

export interface HandshakeOrigin {
  readonly origin: SshOrigin;
  /** The IP in `origin.remoteAddress`. */
  readonly remoteIp: string;
  /** Give back what was taken for the handshake, and for the connection. */
  readonly endHandshake: () => void;
  readonly endConnection: () => void;
}

/** What a user name is cut to in events; no account has a longer one. */
const MAX_SHOWN_LOGIN = 256;
const NO_ACCOUNTS_MADE = 'and this release does not make accounts (create_host_user_mode)';

export class Handshake {
  readonly #parts: HandshakeParts;
  readonly #origin: SshOrigin;
  readonly #remoteIp: string;
  /** Given back when the connection ends, whoever it is of by then. */
  readonly #seats: (() => void)[];
  readonly #endHandshake: () => void;
  /** Why the first certificate was not taken. */
  #failure: string | undefined;
  #isDenied = false;
  #isOver = false;

  constructor(parts: HandshakeParts, from: HandshakeOrigin) {
    this.#parts = parts;
    this.#origin = from.origin;
    this.#remoteIp = from.remoteIp;
    this.#seats = [from.endConnection];
    this.#endHandshake = from.endHandshake;
  }

  /** For acceptSsh: a promise only for a good certificate that is proven. */
  authenticate(offer: PublicKeyOffer): LoginAnswer | Promise<LoginAnswer> {
    let holder: Holder;
    try {
      holder = readHolder(offer, this.#parts.ground(this.#remoteIp));
    } catch (error) {
      if (!isCode(error)) throw error;
      this.#failure ??= error.message;
      // Only a holder of the certificate is told more.
      const isTold = offer.proven && error.code === 'NOT_SUPPORTED';
      return { accept: false, ...(isTold ? { message: error.message } : {}) };
    }
    // The client is about to sign; meanwhile the account is looked up, and found in memory afterwards.
    const isNext = !offer.proven && holder.grant.certificate.principals.includes(offer.user);
    if (isNext) this.#parts.findAccount(offer.user).catch(() => {});
    return offer.proven ? this.#admit(holder, offer.user) : { accept: true, identity: undefined };
  }

  /** The client is let in. */
  succeeded(): void {
    this.#endHandshake();
  }

  /** The connection ended before anybody was let in. `lastUser` is unset when nobody tried. */
  refused(error: GatehouseError, lastUser: string | undefined): void {
    this.closed();
    if (this.#isDenied || lastUser === undefined) return;
    const { remoteAddress, localAddress } = this.#origin;
    this.#parts.refusals.failed({
      error: this.#failure ?? error.message,
      login: lastUser.slice(0, MAX_SHOWN_LOGIN),
      remoteAddress,
      localAddress,
      remoteIp: this.#remoteIp,
    });
  }

  /** The connection ended. */
  closed(): void {
    this.#isOver = true;
    this.#endHandshake();
    for (const giveBack of this.#seats.splice(0)) giveBack();
  }

  async #admit(holder: Holder, login: string): Promise<LoginAnswer> {
    const { identity, grant } = holder;
    const question: AccessQuestion = { identity, grant, login, remoteIp: this.#remoteIp };
    const verdict = this.#parts.decide(question);
    const { remoteAddress } = this.#origin;
    const person: RefusedPerson = {
      identity,
      login: login.slice(0, MAX_SHOWN_LOGIN),
      remoteAddress,
      remoteIp: this.#remoteIp,
    };
    if (!verdict.allowed) return this.#refuse(this.#parts.refusals.denied(person, verdict));
    try {
      const account = await this.#account(login, verdict);
      this.#take(this.#parts.limits.takeUser(identity.name, verdict.options.maxConnections));
      return { accept: true, identity: { question, admission: verdict, account } };
    } catch (error) {
      if (!isCode(error)) throw error;
      return this.#refuse(this.#parts.refusals.limited(person, error.message));
    }
  }

  async #account(login: string, { options }: Admission): Promise<LoginAccount | undefined> {
    if (login === JOIN_LOGIN) return undefined;
    try {
      return await this.#parts.findAccount(login);
    } catch (error) {
      if (!isCode(error, 'NOT_FOUND') || options.hostUserMode === 'off') throw error;
      throw new GatehouseError('NOT_SUPPORTED', `${error.message}, ${NO_ACCOUNTS_MADE}`, { cause: error });
    }
  }

  #refuse(message: string): LoginAnswer {
    this.#isDenied = true;
    return { accept: false, message };
  }

  /** The client may be gone by now. */
  #take(giveBack: () => void): void {
    if (this.#isOver) giveBack();
    else this.#seats.push(giveBack);
  }
}
