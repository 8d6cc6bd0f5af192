// How a session is to be, from flags and from -o in the words of ssh_config. Flags win, and of -o the first, as with ssh.
// What ssh knows and this does not is an error that says so: an option that is passed over in silence is a trap.
import { parseDuration } from '#core/duration.ts';
import { usage } from '../arguments.ts';
import { nearest } from '#core/schema/nearest.ts';
import { parsePort, requireLogin } from './destination.ts';
import { matchesPattern } from './name-pattern.ts';
import { parseDynamic, parseLocal, parseRemote, type ForwardSpec } from './forward/specs.ts';

export const TERMINAL_WISHES = ['auto', 'yes', 'force', 'no'] as const;
export type TerminalWish = (typeof TERMINAL_WISHES)[number];

export interface SshSettings {
  readonly login?: string;
  readonly port?: number;
  readonly terminal: TerminalWish;
  readonly forwardsAgent: boolean;
  readonly locals: readonly ForwardSpec[];
  readonly remotes: readonly ForwardSpec[];
  readonly failsWithForwards: boolean;
  readonly env: readonly (readonly [name: string, value: string])[];
  /** After this long without a word the server is asked whether it is there; 0: never. */
  readonly keepAliveMs: number;
  readonly keepAliveCount: number;
  /** For the connection; undefined: as long as each step may take. */
  readonly connectMs?: number;
  readonly isQuiet: boolean;
  /** May ask for a password when there is no login. */
  readonly mayAsk: boolean;
  readonly hasEscapes: boolean;
  readonly command?: string;
}

export interface SshFlags {
  readonly login: string | undefined;
  readonly port: string | undefined;
  readonly 'local-forward': readonly string[];
  readonly 'remote-forward': readonly string[];
  readonly 'dynamic-forward': readonly string[];
  readonly 'forward-agent': boolean;
  readonly 'no-forward-agent': boolean;
  readonly tty: number;
  readonly 'no-tty': boolean;
  readonly quiet: boolean;
  readonly option: readonly string[];
}

type Draft = {
  -readonly [K in keyof SshSettings]?: SshSettings[K];
} & {
  sendEnv: string[];
  setEnv: [string, string][];
  localForwards: ForwardSpec[];
  remoteForwards: ForwardSpec[];
};

const KEEP_ALIVE_MS = 60_000;
const KEEP_ALIVE_COUNT = 3;
/** What servers of Debian and of ours take. */
const USUAL_ENV = ['LANG', 'LC_*'];
const MAX_ENV = 64;

/** USAGE for whatever is not understood. `env` is the environment that SendEnv chooses from. */
export function sshSettings(flags: SshFlags, env: Readonly<Record<string, string | undefined>>): SshSettings {
  const draft: Draft = { sendEnv: [], setEnv: [], localForwards: [], remoteForwards: [] };
  applyFlags(flags, draft);
  for (const option of flags.option) applyOption(option, draft);
  const { sendEnv, setEnv, localForwards, remoteForwards, ...rest } = draft;
  return {
    terminal: 'auto',
    forwardsAgent: false,
    failsWithForwards: false,
    keepAliveMs: KEEP_ALIVE_MS,
    keepAliveCount: KEEP_ALIVE_COUNT,
    isQuiet: false,
    mayAsk: true,
    hasEscapes: true,
    ...rest,
    locals: localForwards,
    remotes: remoteForwards,
    env: chooseEnv(env, [...USUAL_ENV, ...sendEnv], setEnv),
  };
}

function applyFlags(flags: SshFlags, draft: Draft): void {
  if (flags.login !== undefined) draft.login = requireLogin(flags.login);
  if (flags.port !== undefined) draft.port = parsePort(flags.port);
  if (flags['no-tty']) draft.terminal = 'no';
  else if (flags.tty > 0) draft.terminal = flags.tty === 1 ? 'yes' : 'force';
  if (flags['no-forward-agent']) draft.forwardsAgent = false;
  else if (flags['forward-agent']) draft.forwardsAgent = true;
  if (flags.quiet) draft.isQuiet = true;
  draft.localForwards.push(
    ...flags['local-forward'].map(parseLocal),
    ...flags['dynamic-forward'].map(parseDynamic),
  );
  draft.remoteForwards.push(...flags['remote-forward'].map(parseRemote));
}

type Apply = (value: string, draft: Draft) => void;

/** Sets what was not set before. */
const once =
  <K extends keyof SshSettings>(key: K, read: (value: string) => SshSettings[K]): Apply =>
  (value, draft) => {
    const found = read(value);
    if (draft[key] === undefined) draft[key] = found as Draft[K];
  };

/** What there is only one way of doing; any other value is refused. */
const only =
  (allowed: readonly string[], why: string): Apply =>
  (value) => {
    if (!allowed.includes(value.toLowerCase())) throw usage(`may only be ${allowed.join(' or ')}: ${why}`);
  };

const OPTIONS: Readonly<Record<string, Apply>> = {
  User: once('login', requireLogin),
  Port: once('port', parsePort),
  ForwardAgent: once('forwardsAgent', readYes),
  RequestTTY: once('terminal', readTerminal),
  ExitOnForwardFailure: once('failsWithForwards', readYes),
  ServerAliveInterval: once('keepAliveMs', (value) => readSeconds(value) * 1000),
  ServerAliveCountMax: once('keepAliveCount', (value) => readNumber(value, 100)),
  ConnectTimeout: once('connectMs', (value) => Math.max(1, readSeconds(value)) * 1000),
  BatchMode: (value, draft) => {
    draft.mayAsk ??= !readYes(value);
  },
  LogLevel: (value, draft) => {
    draft.isQuiet ??= /^(?:quiet|fatal|error)$/i.test(value);
  },
  EscapeChar: (value, draft) => {
    if (value !== 'none' && value !== '~') throw usage('may only be ~ or none');
    draft.hasEscapes ??= value === '~';
  },
  RemoteCommand: once('command', (value) => value),
  SendEnv: (value, draft) => void draft.sendEnv.push(...words(value)),
  SetEnv: (value, draft) => void draft.setEnv.push(...words(value).map(readAssignment)),
  LocalForward: (value, draft) => void draft.localForwards.push(parseLocal(asFlag(value))),
  RemoteForward: (value, draft) => void draft.remoteForwards.push(parseRemote(asFlag(value))),
  DynamicForward: (value, draft) => void draft.localForwards.push(parseDynamic(value)),
  StrictHostKeyChecking: only(['yes'], 'servers are always checked by their certificate'),
  Compression: only(['no'], 'there is none'),
  ControlMaster: only(['no'], 'each command has its own connection'),
  ControlPath: only(['none'], 'each command has its own connection'),
  ForwardX11: only(['no'], 'use plain ssh -X with `gate config`'),
  ProxyJump: only(['none'], 'the way is by the proxy of the cluster'),
  ProxyCommand: only(['none'], 'the way is by the proxy of the cluster'),
  UpdateHostKeys: only(['no'], 'servers are known by their certificate'),
};

const KEYWORDS: ReadonlyMap<string, string> = new Map(
  Object.keys(OPTIONS).map((name) => [name.toLowerCase(), name]),
);

/** `Keyword=value` or `Keyword value`. */
function applyOption(option: string, draft: Draft): void {
  const [, keyword = '', value = ''] = /^\s*([A-Za-z0-9]+)\s*(?:=|\s)\s*(.*?)\s*$/s.exec(option) ?? [];
  const name = KEYWORDS.get(keyword.toLowerCase());
  const apply = name === undefined ? undefined : OPTIONS[name];
  if (apply === undefined) throw usage(unknownOption(keyword || option));
  if (value === '') throw usage(`-o ${keyword}: needs a value, as in -o ${keyword}=...`);
  try {
    apply(value.replace(/^"(.*)"$/, '$1'), draft);
  } catch (error) {
    throw usage(`-o ${name}: ${(error as Error).message}`);
  }
}

function unknownOption(keyword: string): string {
  const hint = nearest(keyword, [...KEYWORDS.values()]);
  const more = hint === undefined ? 'plain ssh by "gate config" knows more' : `did you mean ${hint}?`;
  return `-o ${keyword.slice(0, 64)} is not an option of gate; ${more}`;
}

function readYes(value: string): boolean {
  if (/^(?:yes|true)$/i.test(value)) return true;
  if (/^(?:no|false)$/i.test(value)) return false;
  throw usage('must be yes or no');
}

function readTerminal(value: string): TerminalWish {
  const found = TERMINAL_WISHES.find((wish) => wish === value.toLowerCase());
  if (found !== undefined) return found;
  throw usage(`must be one of ${TERMINAL_WISHES.join(', ')}`);
}

function readNumber(value: string, max: number): number {
  const number = /^\d{1,9}$/.test(value) ? Number(value) : Number.NaN;
  if (number <= max) return number;
  throw usage(`must be a number up to ${max}`);
}

/** Seconds as in ssh_config, or a duration such as 1m. */
function readSeconds(value: string): number {
  return /^\d+$/.test(value) ? readNumber(value, 86_400) : parseDuration(value) / 1000;
}

const words = (value: string): string[] => value.split(/\s+/).filter((word) => word !== '');

/** In ssh_config the two sides are separate words. */
function asFlag(value: string): string {
  const parts = words(value);
  return parts.length === 2 ? parts.join(':') : value;
}

function readAssignment(text: string): [string, string] {
  const at = text.indexOf('=');
  if (at > 0 && /^[A-Za-z_][A-Za-z0-9_]*$/.test(text.slice(0, at)))
    return [text.slice(0, at), text.slice(at + 1)];
  throw usage(`must be NAME=value, not ${JSON.stringify(text.slice(0, 64))}`);
}

function chooseEnv(
  env: Readonly<Record<string, string | undefined>>,
  patterns: readonly string[],
  set: readonly (readonly [string, string])[],
): (readonly [string, string])[] {
  const chosen = Object.entries(env).flatMap(([name, value]) =>
    value !== undefined && patterns.some((pattern) => matchesPattern(name, pattern))
      ? [[name, value] as const]
      : [],
  );
  return [...new Map<string, string>([...chosen, ...set])].slice(0, MAX_ENV);
}
