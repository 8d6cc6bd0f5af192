// The environment of a session. Three sources: what the machine gives to all, what the client asks for (a short list of
// names, because a variable can be code to a program that starts as root), and what the service says about the session.
import { readFileSync } from 'node:fs';
import type { Account } from '../account/passwd.ts';

export interface SessionFacts {
  readonly sessionId: string;
  readonly hostId: string;
  readonly clusterName: string;
  /** The name in the cluster, which may differ from the account. */
  readonly user: string;
  /** `ip:port` each. */
  readonly remoteAddress: string;
  readonly localAddress: string;
}

const ROOT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
const USER_PATH = '/usr/local/bin:/usr/bin:/bin:/usr/local/games:/usr/games';
const MAX_FILE_BYTES = 64 * 1024;
const MAX_VARIABLES = 256;
const MAX_CLIENT_VARIABLES = 64;
const NAME = /^[A-Za-z_][A-Za-z0-9_]{0,255}$/;
const LOCALE_NAME = /^(?:LANG|LC_[A-Z0-9_]{1,32})$/;
/** No slash: the C library would take it for a folder with code in it. */
const LOCALE_VALUE = /^[A-Za-z0-9_.@:,=+-]{0,128}$/;
/** Read by the dynamic loader, by the C library or by shells before they do anything else. */
const DANGEROUS =
  /^(?:LD_|DYLD_|_RLD|BASH_|MALLOC_|GLIBC_|GCONV_|NLSPATH$|LOCPATH$|IFS$|ENV$|SHELLOPTS$|PS4$|CDPATH$|GLOBIGNORE$|NODE_|PERL|PYTHON|RUBY|JAVA_TOOL|HOSTALIASES$|LOCALDOMAIN$|RES_OPTIONS$|TZDIR$|TMPDIR$|GETCONF_DIR$|POSIXLY_CORRECT$)/;

/** Variables of the client: it may choose its language, and nothing else (S22). */
export class ClientVariables {
  readonly #values = new Map<string, string>();

  /** False when it is not allowed. */
  set(name: string, value: string): boolean {
    if (!LOCALE_NAME.test(name) || !LOCALE_VALUE.test(value)) return false;
    if (!this.#values.has(name) && this.#values.size >= MAX_CLIENT_VARIABLES) return false;
    this.#values.set(name, value);
    return true;
  }

  entries(): Record<string, string> {
    return Object.fromEntries(this.#values);
  }
}

/** What holds for every session of the account. `system`: see readSystemEnvironment. */
export function accountEnvironment(
  account: Account,
  system: Readonly<Record<string, string>>,
): Record<string, string> {
  return {
    PATH: account.uid === 0 ? ROOT_PATH : USER_PATH,
    ...system,
    HOME: account.home,
    USER: account.name,
    LOGNAME: account.name,
    SHELL: account.loginShell,
    MAIL: `/var/mail/${account.name}`,
  };
}

/** What tells programs how they were reached. */
export function sessionEnvironment(facts: SessionFacts): Record<string, string> {
  const [remote, local] = [splitAddress(facts.remoteAddress), splitAddress(facts.localAddress)];
  return {
    SSH_CONNECTION: `${remote.ip} ${remote.port} ${local.ip} ${local.port}`,
    SSH_CLIENT: `${remote.ip} ${remote.port} ${local.port}`,
    GATEHOUSE_SESSION: facts.sessionId,
    GATEHOUSE_USER: facts.user,
    GATEHOUSE_CLUSTER: facts.clusterName,
    GATEHOUSE_HOST_ID: facts.hostId,
  };
}

/** What the administrator set for all logins in /etc/environment and /etc/default/locale; without PAM nobody else reads it. */
export function readSystemEnvironment(
  files: readonly string[] = ['/etc/environment', '/etc/default/locale'],
): Record<string, string> {
  return Object.assign({}, ...files.map((file) => parseEnvironment(readSmall(file)))) as Record<
    string,
    string
  >;
}

/**
 * Lines `NAME=value`, with or without `export` and quotes. Lines that are something else, and names that could make a
 * program do what its starter did not want, are left out.
 */
export function parseEnvironment(text: string): Record<string, string> {
  const found: Record<string, string> = {};
  for (const line of text
    .slice(0, MAX_FILE_BYTES)
    .split('\n')
    .slice(0, MAX_VARIABLES * 4)) {
    const trimmed = line.trim().replace(/^export\s+/, '');
    const at = trimmed.indexOf('=');
    const name = trimmed.slice(0, Math.max(at, 0));
    if (!NAME.test(name) || DANGEROUS.test(name)) continue;
    const value = trimmed.slice(at + 1).replace(/^(["'])(.*)\1$/, '$2');
    if (value.includes('\0') || Object.keys(found).length >= MAX_VARIABLES) continue;
    found[name] = value;
  }
  return found;
}

function readSmall(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function splitAddress(address: string): { readonly ip: string; readonly port: string } {
  const at = address.lastIndexOf(':');
  return { ip: address.slice(0, at).replace(/^\[|\]$/g, ''), port: address.slice(at + 1) };
}
