// Options of several roles become one set: the most restrictive. Permissions: an explicit no beats any yes, and where
// no role says anything the default holds. Limits: the smallest. Duties: one role is enough. README.md has the table.
import { parseDuration } from '../duration.ts';
import type { AccessRole, RoleOptions, Toggle, Traits } from './role.ts';
import { compileTemplate } from './templates.ts';

export const MFA_LEVELS = [
  'off',
  'yes',
  'hardware_key',
  'hardware_key_touch',
  'hardware_key_pin',
  'hardware_key_touch_and_pin',
] as const;
export type MfaLevel = (typeof MFA_LEVELS)[number];

export const DEVICE_TRUST = ['off', 'optional', 'required'] as const;
export const RECORDING_MODES = ['off', 'best_effort', 'strict'] as const;
export const REQUEST_ACCESS = ['optional', 'always', 'reason'] as const;
export const HOST_USER_MODES = ['off', 'insecure-drop', 'keep'] as const;
export const DB_USER_MODES = ['off', 'best_effort_drop', 'keep'] as const;
export type RecordingMode = (typeof RECORDING_MODES)[number];

/** What holds for a session, whatever the target. Undefined limits mean that the cluster's setting applies. */
export interface SessionOptions {
  readonly maxSessionTtlMs?: number;
  readonly clientIdleTimeoutMs?: number;
  readonly mfaVerificationIntervalMs?: number;
  readonly forwardAgent: boolean;
  readonly portForwarding: { readonly local: boolean; readonly remote: boolean };
  readonly x11Forwarding: boolean;
  readonly fileCopy: boolean;
  readonly disconnectExpiredCert: boolean;
  readonly pinSourceIp: boolean;
  readonly maxConnections?: number;
  readonly maxKubernetesConnections?: number;
  readonly maxSessions?: number;
  readonly lockMode?: 'strict' | 'best_effort';
  readonly recordSsh: RecordingMode;
  /** Sessions of databases. */
  readonly recordTarget: RecordingMode;
  readonly recordDesktop: boolean;
  readonly certFormat: 'standard' | 'oldssh';
  readonly enhancedRecording: readonly string[];
  readonly desktopClipboard: boolean;
  readonly desktopDirectorySharing: boolean;
  readonly samlIdp: boolean;
  readonly requestAccess: (typeof REQUEST_ACCESS)[number];
  readonly requestPrompts: readonly string[];
}

/** What holds on one target: only the roles that grant it are asked. */
export interface TargetOptions {
  readonly requireSessionMfa: MfaLevel;
  readonly deviceTrust: (typeof DEVICE_TRUST)[number];
  readonly hostUserMode: (typeof HOST_USER_MODES)[number];
  readonly hostUserShell?: string;
  readonly dbUserMode: (typeof DB_USER_MODES)[number];
  readonly createDesktopUser: boolean;
}

export type MergedOptions = SessionOptions & TargetOptions;

const DEFAULT_ENHANCED_RECORDING = ['command', 'network'];

/** Merges over all roles of a user. With no roles every permission is off. */
export function mergeSessionOptions(roles: readonly RoleOptions[]): SessionOptions {
  const none = roles.length === 0;
  const permitted = (read: (options: RoleOptions) => boolean | undefined, fallback: boolean): boolean =>
    !none && permission(roles.map(read), fallback);
  return {
    ...limits(roles),
    forwardAgent: permitted((options) => options.forward_agent, false),
    portForwarding: {
      local: permitted((options) => forwards(options, 'local'), true),
      remote: permitted((options) => forwards(options, 'remote'), true),
    },
    x11Forwarding: permitted((options) => options.permit_x11_forwarding, false),
    fileCopy: permitted((options) => options.ssh_file_copy, true),
    disconnectExpiredCert: roles.some((options) => options.disconnect_expired_cert === true),
    pinSourceIp: roles.some((options) => options.pin_source_ip === true),
    recordSsh: strictest(
      RECORDING_MODES,
      roles.map((options) => options.record_session?.ssh ?? options.record_session?.default ?? 'best_effort'),
      'best_effort',
    ),
    recordTarget: strictest(
      RECORDING_MODES,
      roles.map((options) => options.record_session?.default ?? 'best_effort'),
      'best_effort',
    ),
    recordDesktop: none || roles.some((options) => recordsDesktop(options)),
    certFormat: !none && roles.every((options) => options.cert_format === 'oldssh') ? 'oldssh' : 'standard',
    enhancedRecording: enhanced(roles),
    desktopClipboard: permitted((options) => options.desktop_clipboard, true),
    desktopDirectorySharing: permitted((options) => options.desktop_directory_sharing, true),
    samlIdp: permitted((options) => options.idp?.saml?.enabled, true),
    requestAccess: strictest(
      REQUEST_ACCESS,
      roles.map((options) => options.request_access),
      'optional',
    ),
    requestPrompts: unique(roles.map((options) => options.request_prompt)),
  };
}

/** Merges over the roles that grant a target. */
export function mergeTargetOptions(roles: readonly RoleOptions[]): TargetOptions {
  const shell = roles.find(
    (options) => options.create_host_user_default_shell,
  )?.create_host_user_default_shell;
  const hostModes = roles.map(hostUserMode);
  const all = roles.length > 0 && hostModes.every((mode) => mode !== 'off');
  return {
    requireSessionMfa: strictest(MFA_LEVELS, roles.map(mfaLevel), 'off'),
    deviceTrust: strictest(
      DEVICE_TRUST,
      roles.map((options) => options.device_trust_mode),
      'off',
    ),
    hostUserMode: all ? strictest(HOST_USER_MODES, hostModes, 'off') : 'off',
    ...(shell === undefined ? {} : { hostUserShell: shell }),
    dbUserMode: strictest(DB_USER_MODES, roles.map(dbUserMode), 'off'),
    createDesktopUser: roles.length > 0 && roles.every((options) => options.create_desktop_user === true),
  };
}

/** Extensions for an SSH certificate, with traits filled in; the first role by name wins where two set one name. */
export function certExtensions(roles: readonly AccessRole[], traits: Traits): ReadonlyMap<string, string> {
  const out = new Map<string, string>();
  const sorted = [...roles].sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const { name, value } of sorted.flatMap((role) => role.options.cert_extensions ?? [])) {
    const filled = compileTemplate(value ?? '').expand(traits)[0];
    if (value !== undefined && value !== '' && filled === undefined) continue;
    if (!out.has(name)) out.set(name, filled ?? '');
  }
  return out;
}

/** "never" and 0 are no limit; undefined when the option is not set. */
export function timeout(text: string | undefined): number | undefined {
  const ms = text === undefined || text === 'never' ? 0 : parseDuration(text);
  return ms > 0 ? ms : undefined;
}

/** `require_session_mfa` as a level; an unknown word is the plain yes, never an off. */
export function mfaLevel(options: RoleOptions): MfaLevel | undefined {
  const value = options.require_session_mfa;
  if (value === undefined || value === '') return undefined;
  const word = String(value).toLowerCase();
  if (['false', 'no', 'off'].includes(word)) return 'off';
  return MFA_LEVELS.find((level) => level === word) ?? 'yes';
}

function limits(roles: readonly RoleOptions[]): Partial<SessionOptions> {
  const out: { -readonly [K in keyof SessionOptions]?: SessionOptions[K] } = {};
  const set = (
    key: 'maxSessionTtlMs' | 'clientIdleTimeoutMs' | 'mfaVerificationIntervalMs',
    read: (options: RoleOptions) => string | undefined,
  ): void => put(key, smallest(roles.map((options) => timeout(read(options)))));
  const count = (
    key: 'maxConnections' | 'maxKubernetesConnections' | 'maxSessions',
    read: (options: RoleOptions) => number | undefined,
  ): void => put(key, smallest(roles.map(read)));
  const put = (key: keyof LimitFields, value: number | undefined): void => {
    if (value !== undefined) out[key] = value;
  };
  set('maxSessionTtlMs', (options) => options.max_session_ttl);
  set('clientIdleTimeoutMs', (options) => options.client_idle_timeout);
  set('mfaVerificationIntervalMs', (options) => options.mfa_verification_interval);
  count('maxConnections', (options) => options.max_connections);
  count('maxKubernetesConnections', (options) => options.max_kubernetes_connections);
  count('maxSessions', (options) => options.max_sessions);
  const lock = unique(roles.map((options) => options.lock));
  if (lock.includes('strict')) out.lockMode = 'strict';
  else if (lock.includes('best_effort')) out.lockMode = 'best_effort';
  return out;
}

type LimitFields = Pick<
  SessionOptions,
  | 'maxSessionTtlMs'
  | 'clientIdleTimeoutMs'
  | 'mfaVerificationIntervalMs'
  | 'maxConnections'
  | 'maxKubernetesConnections'
  | 'maxSessions'
>;

/** An explicit no beats a yes; the default holds when no role says either. */
function permission(said: readonly (boolean | undefined)[], fallback: boolean): boolean {
  if (said.includes(false)) return false;
  return said.includes(true) || fallback;
}

/** 0 is no limit, as in the documents. */
function smallest(values: readonly (number | undefined)[]): number | undefined {
  const set = values.filter((value) => value !== undefined && value > 0) as number[];
  return set.length === 0 ? undefined : Math.min(...set);
}

/** `scale` runs from lax to strict; words that are not on it count as the default. */
function strictest<const S extends readonly string[]>(
  scale: S,
  said: readonly (string | undefined)[],
  fallback: S[number],
): S[number] {
  const ranks = said
    .map((word) => (word === undefined ? -1 : scale.indexOf(word)))
    .filter((rank) => rank >= 0);
  return scale[ranks.length === 0 ? scale.indexOf(fallback) : Math.max(...ranks)] ?? fallback;
}

/** A role may say it in both fields; there, too, a no beats a yes. */
function forwards(options: RoleOptions, way: 'local' | 'remote'): boolean | undefined {
  const { port_forwarding: old, ssh_port_forwarding: current } = options;
  const isOn = (toggle: Toggle): boolean | undefined =>
    toggle === undefined ? undefined : (toggle.enabled ?? true);
  const said = [typeof old === 'boolean' ? old : isOn(old?.[way]), isOn(current?.[way])];
  return said.includes(false) ? false : said.find((word) => word !== undefined);
}

/** Recorded unless the role says otherwise in so many words. */
function recordsDesktop(options: RoleOptions): boolean {
  const said = options.record_session?.desktop;
  return said !== false && said !== 'off';
}

function enhanced(roles: readonly RoleOptions[]): readonly string[] {
  const said = roles.flatMap((options) =>
    options.enhanced_recording === undefined ? [] : [options.enhanced_recording],
  );
  return said.length === 0 ? DEFAULT_ENHANCED_RECORDING : unique(said.flat());
}

function hostUserMode(options: RoleOptions): (typeof HOST_USER_MODES)[number] {
  const mode = options.create_host_user_mode ?? (options.create_host_user === true ? 'drop' : 'off');
  if (mode === 'keep') return 'keep';
  return mode === 'drop' || mode === 'insecure-drop' ? 'insecure-drop' : 'off';
}

function dbUserMode(options: RoleOptions): string {
  return options.create_db_user_mode ?? (options.create_db_user === true ? 'keep' : 'off');
}

const unique = (texts: readonly (string | undefined)[]): string[] =>
  [...new Set(texts.filter((text) => text !== undefined && text !== ''))] as string[];
