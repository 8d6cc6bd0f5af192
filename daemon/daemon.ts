// The daemon as a value: opens the parts and services that a configuration asks for, connects them, and closes them in
// reverse. main.ts runs it in a process; tests run it in theirs.
import { existsSync } from 'node:fs';
import { hostname } from 'node:os';
import { resolve } from 'node:path';
import type { Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import type { Agent } from '#agent/main.ts';
import type { Proxy } from '#proxy/main.ts';
import { DEFAULT_DATA_DIR } from '#config/build.ts';
import type { Config } from '#config/config.ts';
import type { ConfigFlags } from '#config/flags.ts';
import { CONFIG_PATHS, loadConfig, type LoadedConfig } from '#config/load.ts';
import type { Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/errors/error.ts';
import type { Log } from '#core/log.ts';
import { lockDataDir } from './data-dir-lock.ts';
import { prepareDataDir } from './data-dir.ts';
import { dumpDiagnostics } from './diagnostics/dump.ts';
import { startDiagnostics } from './diagnostics/server.ts';
import { guideText, programsPrefix } from './guide.ts';
import { chooseOutput } from './log/choose-output.ts';
import { openLog } from './log/open.ts';
import { openDaemonMetrics } from './metrics/daemon-metrics.ts';
import { writePidFile } from './pid-file.ts';
import { startServices, type Services } from './services.ts';

export interface DaemonOptions {
  readonly clock: Clock;
  readonly version: string;
  readonly stdout: Writable;
  readonly stderr: Writable;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly configPath?: string | undefined;
  readonly flags: ConfigFlags;
  readonly bootstrapFile?: string | undefined;
  /** Tell a person what to do next. */
  readonly withGuide: boolean;
}

export interface Daemon {
  readonly log: Log;
  /** Rejects when a service cannot go on; never resolves. */
  readonly failed: Promise<never>;
  /** Writes what the process is doing to the log. */
  dump(): void;
  /** HUP and USR2: opens the log file anew, and says that the rest needs a restart. */
  reload(signal: string): Promise<void>;
  /** Ends the services in reverse; safe to call twice. */
  close(): Promise<void>;
}

/** Resolves when the services are up. Errors are those of the parts; what was opened is closed again. */
export async function startDaemon(options: DaemonOptions): Promise<Daemon> {
  const closers: (() => unknown)[] = [];
  const opened = <T>(part: T, close: (part: T) => unknown): T => {
    closers.unshift(() => close(part));
    return part;
  };
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => (closing ??= closeAll(closers));
  try {
    return { ...(await open(options, opened)), close };
  } catch (error) {
    await close();
    throw error;
  }
}

const PROGRAMS = fileURLToPath(new URL('../bin/', import.meta.url));
const RELOAD_NOTICE =
  'the log file was reopened; graceful restarts are not part of this release: restart to apply a changed configuration';

type Opened = <T>(part: T, close: (part: T) => unknown) => T;

async function open(options: DaemonOptions, opened: Opened): Promise<Omit<Daemon, 'close'>> {
  const { version } = options;
  const { loaded, output, log, dataDir } = await openGround(options, opened);
  const { config } = loaded;
  const metrics = opened(openDaemonMetrics(version), (part) => part.close());
  const running: { services?: Services } = {};
  if (config.diagAddr !== undefined) {
    const reasons = (): readonly string[] => notReady(running.services);
    const diagnostics = { listen: config.diagAddr, reasons, metrics: metrics.render };
    const { address } = opened(await startDiagnostics(diagnostics), (part) => part.close());
    log.info({ address }, 'health and metrics are served');
  }
  const services = opened(await startServices(config, { ...options, log, dataDir, metrics }), (part) =>
    part.close(),
  );
  running.services = services;
  metrics.watch(services);
  const { auth, agent, proxy, member } = services;
  if (options.withGuide && auth !== undefined) {
    options.stdout.write(guide(loaded, dataDir, auth, options.environment['PATH']));
  }
  return {
    log,
    failed: services.failed,
    dump: () => dumpDiagnostics(log, { version, auth, agent, proxy, member, watchers: metrics.watchers() }),
    reload: async (signal) => {
      await output
        .reopen?.()
        .catch((error: unknown) => log.error({ err: error }, 'the log file stays as it was'));
      log.warn({ signal }, RELOAD_NOTICE);
    },
  };
}

/** What everything else stands on: configuration, log, and a data directory that is this process's own. */
async function openGround(options: DaemonOptions, opened: Opened) {
  const { clock, version, configPath, flags } = options;
  const loaded = await loadConfig({
    hostname: hostname(),
    flags,
    ...(configPath === undefined ? {} : { path: configPath }),
  });
  const { config } = loaded;
  const output = opened(await chooseOutput(config.log.output, options), (part) => part.close());
  const log = openLog(config.log, output, clock).child({ part: 'process' });
  log.info({ version, node: process.version, config: loaded.path ?? 'defaults' }, 'starting');
  for (const { line, path, message } of loaded.notices) {
    const setting = path === '' ? undefined : path;
    log.warn({ line, setting, why: message }, 'a setting is not in force as it is written');
  }
  requireServices(config);
  const dataDir = await prepareDataDir(config.dataDir, { uid: process.getuid?.() }, log);
  opened(await lockDataDir(dataDir), (lock) => lock.release());
  if (config.pidFile !== undefined) opened(await writePidFile(config.pidFile), (file) => file.remove());
  return { loaded, output, log, dataDir };
}

function requireServices({ auth, ssh, proxy }: Config): void {
  if (auth !== undefined || ssh !== undefined || proxy !== undefined) return;
  throw new GatehouseError(
    'NOT_SUPPORTED',
    'nothing would run: this release has the services auth, proxy and node; enable one of them in the file or with --roles',
  );
}

/** Why the daemon cannot serve at present; empty when it can. */
function notReady(services: Services | undefined): readonly string[] {
  if (services === undefined) return ['starting'];
  const { auth, agent, proxy, member } = services;
  // What is ready and yet unknown to the cluster cannot be reached.
  const reasonsOf = (name: string, service: Agent | Proxy | undefined): string[] => {
    const health = service === undefined ? [] : [service.health(), member?.health()];
    const bad = health.find((one) => one?.ready === false);
    return bad === undefined ? [] : [`${name}: ${bad.reason ?? 'not ready'}`];
  };
  return [
    ...(auth === undefined || auth.isReady()
      ? []
      : ['auth: the local copy is not up to date with the store']),
    ...reasonsOf('proxy', proxy),
    ...reasonsOf('node', agent),
  ];
}

function guide(
  { config, path }: LoadedConfig,
  dataDir: string,
  auth: NonNullable<Services['auth']>,
  searchPath: string | undefined,
): string {
  return guideText({
    clusterName: auth.clusterName,
    authServer: `${config.advertiseIp ?? config.nodename}:${auth.port}`,
    caPins: auth.authorities.caPins(),
    dataDir,
    configPath: path === undefined ? undefined : resolve(path),
    programs: programsPrefix(searchPath, PROGRAMS, existsSync),
    isDefault:
      path === undefined ? dataDir === DEFAULT_DATA_DIR : (CONFIG_PATHS as readonly string[]).includes(path),
  });
}

async function closeAll(closers: readonly (() => unknown)[]): Promise<void> {
  for (const close of closers) {
    // One part that fails to close must not keep the others open.
    await Promise.resolve(close()).catch(() => {});
  }
}
