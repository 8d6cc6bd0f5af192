// From a checked file and the flags to the whole Config: which services run, and what holds for the process.
import { parseDuration } from '#core/duration.ts';
import type { SystemRole } from '#core/identity.ts';
import { isHost, parseAddress, type Address } from './address.ts';
import { buildApp } from './build-app.ts';
import { buildAuth } from './build-auth.ts';
import { buildDb } from './build-db.ts';
import { buildMembership } from './build-membership.ts';
import { buildProxy } from './build-proxy.ts';
import { buildSsh } from './build-ssh.ts';
import type { Config, LogConfig, Severity } from './config.ts';
import type { FileContents } from './file.ts';
import type { Findings } from './findings.ts';
import type { ConfigFlags } from './flags.ts';
import { given } from './given.ts';
import { PORTS } from './ports.ts';

export const DEFAULT_DATA_DIR = '/var/lib/gatehouse';

/** What is wrong, or not in force, is added to `findings`; with problems the result must not be used. */
export function build(file: FileContents, hostname: string, flags: ConfigFlags, findings: Findings): Config {
  const { global, top } = file;
  const services = buildServices(file, flags, findings);
  const { auth, ...joining } = services;
  const joins = Object.values(joining).some((service) => service !== undefined);
  if (auth === undefined && !joins) {
    findings.notice([top], 'no service of this release is enabled; nothing would run');
  }
  noticeGlobal(file, findings);
  return given({
    nodename: buildNodename(file, hostname, flags, findings),
    dataDir: flags.dataDir ?? global.data_dir ?? DEFAULT_DATA_DIR,
    pidFile: flags.pidFile ?? global.pid_file,
    diagAddr: buildDiagAddr(file, flags, findings),
    advertiseIp: buildAdvertiseIp(file, findings),
    log: buildLog(file, flags),
    connectionLimits: buildLimits(file),
    drainTimeoutMs: parseDuration(global.drain_timeout ?? '0s'),
    ...buildMembership(file, flags, auth, joins, findings),
    ...services,
  });
}

type Services = { readonly [S in 'auth' | 'ssh' | 'proxy' | 'db' | 'app']: Config[S] | undefined };

function buildServices(file: FileContents, flags: ConfigFlags, findings: Findings): Services {
  const runs = runningServices(file, flags, findings);
  return {
    auth: runs.auth ? buildAuth(file, findings) : undefined,
    ssh: runs.ssh ? buildSsh(file.ssh ?? {}, flags.labels, findings) : undefined,
    proxy: runs.proxy ? buildProxy(file, flags, findings) : undefined,
    db: runs.db ? buildDb(file.db ?? {}, findings) : undefined,
    app: runs.app ? buildApp(file.app ?? {}, findings) : undefined,
  };
}

function buildNodename(file: FileContents, hostname: string, flags: ConfigFlags, findings: Findings): string {
  const name = flags.nodename ?? file.global.nodename ?? hostname;
  const path = flags.nodename === undefined ? [file.top, 'nodename'] : ['--nodename'];
  if (!isHost(name)) findings.problem(path, 'must be a host name');
  return name;
}

function buildDiagAddr(file: FileContents, flags: ConfigFlags, findings: Findings): Address | undefined {
  const text = flags.diagAddr ?? file.global.diag_addr;
  if (text === undefined) return undefined;
  const path = flags.diagAddr === undefined ? [file.top, 'diag_addr'] : ['--diag-addr'];
  return findings.attempt(path, () => parseAddress(text, PORTS.diagnostics, '127.0.0.1'));
}

function buildAdvertiseIp({ top, global }: FileContents, findings: Findings): string | undefined {
  const text = global.advertise_ip;
  if (text !== undefined && !isHost(text)) {
    findings.problem([top, 'advertise_ip'], 'must be an IP address or a host name');
  }
  return text;
}

function buildLimits({ global: { connection_limits: limits } }: FileContents): Config['connectionLimits'] {
  return { maxConnections: limits?.max_connections ?? 15_000, maxUsers: limits?.max_users ?? 1000 };
}

type Runs = Readonly<Record<'auth' | 'ssh' | 'proxy' | 'db' | 'app', boolean>>;

/** --roles decides; else `enabled`; else a section that is there is on, and one that is not there as documented. */
function runningServices(file: FileContents, flags: ConfigFlags, findings: Findings): Runs {
  const { roles } = flags;
  if (roles !== undefined) {
    for (const role of roles) if (!RUNNING_ROLES.has(role)) findings.notice(['--roles'], notPart(role));
    const has = (role: SystemRole): boolean => roles.includes(role);
    return { auth: has('auth'), ssh: has('node'), proxy: has('proxy'), db: has('db'), app: has('app') };
  }
  for (const [name, section] of Object.entries(file.later)) {
    if (section.enabled !== false) findings.notice([name], notPart(name));
  }
  const auth = authRuns(file, flags, findings);
  // A public door opens where a cluster is set up, and elsewhere only when the file speaks of it.
  const proxy = file.proxy === undefined ? auth : (file.proxy.enabled ?? true);
  const isOn = (section: { readonly enabled?: boolean } | undefined): boolean =>
    section !== undefined && section.enabled !== false;
  return { auth, ssh: file.ssh?.enabled ?? true, proxy, db: isOn(file.db), app: isOn(file.app) };
}

const RUNNING_ROLES: ReadonlySet<SystemRole> = new Set(['auth', 'node', 'proxy', 'db', 'app']);
const notPart = (what: string): string => `${what} is not part of this release; it is ignored`;

function authRuns(file: FileContents, flags: ConfigFlags, findings: Findings): boolean {
  if (file.auth !== undefined) return file.auth.enabled ?? true;
  const { auth_server, auth_servers, proxy_server } = file.global;
  const elsewhere = flags.authServer ?? auth_server ?? auth_servers?.[0] ?? proxy_server;
  if (elsewhere === undefined) return true;
  findings.notice(
    [],
    'auth_service is off because the auth service is elsewhere; set auth_service.enabled to run one here',
  );
  return false;
}

function noticeGlobal({ top, global }: FileContents, findings: Findings): void {
  if (top === 'teleport' && global.data_dir === undefined) {
    findings.notice([top], `data_dir is not set; it is ${DEFAULT_DATA_DIR}, not /var/lib/teleport`);
  }
  for (const key of ['ciphers', 'kex_algos', 'mac_algos', 'ciphersuites'] as const) {
    if (global[key] !== undefined) {
      findings.notice([top, key], 'algorithms are fixed to those that are safe today; it is ignored');
    }
  }
  if (global.cache?.enabled === false) {
    findings.notice([top, 'cache'], 'reads are always served from memory; it is ignored');
  }
  if (global.connection_limits?.rates !== undefined) {
    findings.notice([top, 'connection_limits', 'rates'], 'is not part of this release; it is ignored');
  }
}

const SEVERITIES: Readonly<Record<string, Severity>> = {
  trace: 'trace',
  debug: 'debug',
  info: 'info',
  warn: 'warn',
  warning: 'warn',
  error: 'error',
  err: 'error',
};

function buildLog({ global: { log } }: FileContents, flags: ConfigFlags): LogConfig {
  const { output = 'stderr', severity = 'info', format = {} } = log ?? {};
  const word = (['stderr', 'stdout', 'syslog'] as const).find((known) => known === output);
  return {
    output: word ?? { path: output },
    severity: flags.debug === true ? 'debug' : (SEVERITIES[severity.toLowerCase()] ?? 'info'),
    format: format.output ?? 'text',
    extraFields: format.extra_fields ?? ['timestamp', 'level', 'component', 'caller'],
  };
}
