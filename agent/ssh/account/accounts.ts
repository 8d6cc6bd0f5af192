// Which accounts this machine has, as its name service says (files, LDAP, SSSD and whatever else nsswitch.conf names).
// Asked by `getent`, because only the C library knows them all; answers are kept for some seconds.
import type { Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/errors/error.ts';
import { runCommand, type CommandOutcome } from '../../run-command.ts';
import { parseGroupId, parsePasswd, parseShadowExpiry, type Account } from './passwd.ts';

export interface AccountsOptions {
  readonly clock: Clock;
  /** For tests; defaults are the ids of this process and the real `getent`. */
  readonly ownUid?: number;
  readonly getent?: (database: string, key: string) => Promise<CommandOutcome>;
}

export interface Accounts {
  /**
   * NOT_FOUND when there is no account of exactly this name; NOT_SUPPORTED when this process may not become it;
   * ACCESS_DENIED when it has expired; UNAVAILABLE when the name service does not answer.
   */
  find(login: string): Promise<Account>;
  /** True when the agent may become others. */
  readonly isRoot: boolean;
  /** The group that owns terminals; undefined where there is none. */
  terminalGroup(): Promise<number | undefined>;
}

const KEPT_MS = 5000;
const MAX_KEPT = 256;
const NO_SUCH_KEY = 2;
/** No control character, no `:` that ends a field, no `/`, no leading dash that programs take for an option. */
const LOGIN = /^(?!-)[^\p{Cc}:/]{1,256}$/u;

export function openAccounts(options: AccountsOptions): Accounts {
  return new SystemAccounts(options);
}

interface Kept {
  readonly until: number;
  readonly account: Promise<Account>;
}

class SystemAccounts implements Accounts {
  readonly isRoot: boolean;
  readonly #ownUid: number;
  readonly #clock: Clock;
  readonly #getent: NonNullable<AccountsOptions['getent']>;
  readonly #kept = new Map<string, Kept>();
  #terminalGroup: Promise<number | undefined> | undefined;

  constructor({ clock, ownUid = process.getuid?.() ?? 0, getent = askSystem }: AccountsOptions) {
    this.#clock = clock;
    this.#ownUid = ownUid;
    this.#getent = getent;
    this.isRoot = ownUid === 0;
  }

  async find(login: string): Promise<Account> {
    if (!LOGIN.test(login)) throw notFound(login);
    const now = this.#clock.now();
    const kept = this.#kept.get(login);
    if (kept !== undefined && kept.until > now) return await kept.account;
    // Only good answers are kept: an account that is made now must work now.
    const account = this.#ask(login);
    account.catch(() => this.#kept.delete(login));
    this.#kept.delete(login);
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.size < MAX_KEPT) break;
      this.#kept.delete(oldest);
    }
    this.#kept.set(login, { until: now + KEPT_MS, account });
    return await account;
  }

  terminalGroup(): Promise<number | undefined> {
    this.#terminalGroup ??= this.#getent('group', 'tty').then((outcome) =>
      outcome.ok ? parseGroupId(outcome.output, 'tty') : undefined,
    );
    return this.#terminalGroup;
  }

  async #ask(login: string): Promise<Account> {
    const [passwd, shadow] = await Promise.all([
      this.#getent('passwd', login),
      this.isRoot ? this.#getent('shadow', login) : undefined,
    ]);
    if (!passwd.ok && passwd.exitCode !== NO_SUCH_KEY) {
      throw new GatehouseError('UNAVAILABLE', `accounts cannot be looked up: getent ${passwd.reason}`);
    }
    const account = passwd.ok ? parsePasswd(passwd.output, login) : undefined;
    if (account === undefined) throw notFound(login);
    if (!this.isRoot && account.uid !== this.#ownUid) {
      throw new GatehouseError(
        'NOT_SUPPORTED',
        `this server runs without root and serves its own account only, not ${JSON.stringify(login)}`,
      );
    }
    const expires = shadow?.ok === true ? parseShadowExpiry(shadow.output, login) : undefined;
    if (expires !== undefined && expires <= this.#clock.now()) {
      throw new GatehouseError('ACCESS_DENIED', `the account ${JSON.stringify(login)} has expired`);
    }
    return account;
  }
}

function notFound(login: string): GatehouseError {
  const shown = JSON.stringify(login.slice(0, 64));
  return new GatehouseError('NOT_FOUND', `there is no account ${shown} on this server`);
}

function askSystem(database: string, key: string): Promise<CommandOutcome> {
  return runCommand(['getent', '--', database, key], {
    env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' },
    signal: new AbortController().signal,
  });
}
