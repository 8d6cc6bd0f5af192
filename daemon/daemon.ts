// The daemon as a value: opens the parts and services that a configuration asks for, connects them, hands them over to
// another process, and closes them in reverse. main.ts runs it in a process; tests run it in theirs.
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
import { sleep, type Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/errors/error.ts';
import type { Log } from '#core/log.ts';
import { openClaims, type Claims } from './claims.ts';
import { prepareDataDir } from './data-dir.ts';
import { dumpDiagnostics } from './diagnostics/dump.ts';
import { startDiagnostics, type Diagnostics } from './diagnostics/server.ts';
import { guideText, programsPrefix } from './guide.ts';
import { openHandover, type Handover } from './handover/handover.ts';
import type { Predecessor } from './handover/predecessor.ts';
import { ProcessSockets } from './handover/sockets.ts';
import type { StartSuccessor } from './handover/successor.ts';
import { chooseOutput } from './log/choose-output.ts';
import { openLog } from './log/open.ts';
import { openDaemonMetrics, type DaemonMetrics } from './metrics/daemon-metrics.ts';
import { patienceOf } from './patience.ts';
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
  readonly applyFile?: string | undefined;
  /** Tell a person what to do next. */
  readonly withGuide: boolean;
  /** Starts the process that takes over at a graceful restart. */
  readonly startSuccessor: StartSuccessor;
  /** The process this one takes over from. */
  readonly predecessor?: Predecessor | undefined;
}

export interface Daemon {
  readonly log: Log;
  /** Rejects when a service cannot go on; never resolves. */
  readonly failed: Promise<never>;
  /** Resolves when another process serves and nothing is left here, unless that was by USR2. */
  readonly finished: Promise<void>;
  /** Writes what the process is doing to the log. */
  dump(): void;
  /** HUP and USR2: opens the log file anew, and hands over to a new process. */
  reload(signal: NodeJS.Signals): Promise<void>;
  /** How long `leave` may take; milliseconds. */
  readonly drainTimeoutMs: number;
  /** TERM: takes nothing new, and resolves when no session is left, or after `drainTimeoutMs`. */
  leave(): Promise<void>;
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
/** An agent in a process that takes over has so long to reach its proxies before the old one lets go of them. */
const TUNNELS_MS = 15_000;
const LOOK_MS = 100;

type Opened = <T>(part: T, close: (part: T) => unknown) => T;

async function open(options: DaemonOptions, opened: Opened): Promise<Omit<Daemon, 'close'>> {
  const { version, clock, predecessor } = options;
  const sockets = new ProcessSockets(predecessor?.sockets ?? []);
  const { loaded, output, log, dataDir, claims } = await openGround(options, opened);
  const { config } = loaded;
  const metrics = opened(openDaemonMetrics(version), (part) => part.close());
  const running: { services?: Services; diagnostics?: Diagnostics | undefined } = {};
  const diagnose = async (): Promise<void> => {
    const served = { config, sockets, log, metrics, reasons: () => notReady(running.services) };
    running.diagnostics = opened(await openDiagnostics(served), (part) => part?.close());
  };
  // A process that takes over is asked about its health when it has some: until then the old one answers.
  if (predecessor === undefined) await diagnose();
  const patienceMs = patienceOf(options.environment);
  const isTakingOver = predecessor !== undefined;
  const parts = { ...options, log, dataDir, metrics, sockets, patienceMs, isTakingOver };
  const services = opened(await startServices(config, parts), (part) => part.close());
  running.services = services;
  metrics.watch(services);
  if (predecessor !== undefined) {
    await serves(services, clock);
    await diagnose();
    sockets.closeUnclaimed();
    predecessor.ready();
  }
  if (options.withGuide && services.auth !== undefined) {
    options.stdout.write(guide(loaded, dataDir, services.auth, options.environment['PATH']));
  }
  const ground = { options, log, sockets, claims, services, diagnostics: () => running.diagnostics };
  const handover = handoverOf(ground);
  opened(handover, (part) => part.close());
  return {
    log,
    failed: Promise.race([services.failed, handover.failed]),
    finished: handover.finished,
    drainTimeoutMs: config.drainTimeoutMs,
    leave: async () => {
      if (config.drainTimeoutMs === 0) return;
      log.info({ mostSeconds: config.drainTimeoutMs / 1000 }, 'stopping when no session is left');
      await services.leave(config.drainTimeoutMs);
    },
    dump: () => {
      const { auth, agent, proxy, member } = services;
      dumpDiagnostics(log, { version, auth, agent, proxy, member, watchers: metrics.watchers() });
    },
    reload: async (signal) => {
      await output
        .reopen?.()
        .catch((error: unknown) => log.error({ err: error }, 'the log file stays as it was'));
      await handover.begin(signal);
    },
  };
}

interface HandoverGround {
  readonly options: DaemonOptions;
  readonly log: Log;
  readonly sockets: ProcessSockets;
  readonly claims: Claims;
  readonly services: Services;
  readonly diagnostics: () => Diagnostics | undefined;
}

function handoverOf({ options, log, sockets, claims, services, diagnostics }: HandoverGround): Handover {
  return openHandover({
    clock: options.clock,
    log,
    start: options.startSuccessor,
    isInit: process.pid === 1,
    sockets: () => sockets.list(),
    release: async () => {
      await services.releaseAuth();
      await claims.release();
    },
    retake: async () => {
      await claims.retake();
      await services.retakeAuth();
    },
    drain: async () => {
      await diagnostics()?.close();
      await services.drain();
    },
  });
}

/** Resolves when the old process may let go of its connections; rejects when a service cannot go on. */
async function serves({ ready, failed, agent }: Services, clock: Clock): Promise<void> {
  await Promise.race([ready, failed]);
  const lateAt = clock.now() + TUNNELS_MS;
  while (agent?.health().ready === false && clock.now() < lateAt) await sleep(clock, LOOK_MS);
}

interface DiagnosticsParts {
  readonly config: Config;
  readonly sockets: ProcessSockets;
  readonly log: Log;
  readonly metrics: DaemonMetrics;
  readonly reasons: () => readonly string[];
}

async function openDiagnostics(parts: DiagnosticsParts): Promise<Diagnostics | undefined> {
  const { config, sockets, log, metrics, reasons } = parts;
  if (config.diagAddr === undefined) return undefined;
  const served = await startDiagnostics({
    listen: config.diagAddr,
    sockets,
    reasons,
    metrics: metrics.render,
  });
  log.info({ address: served.address }, 'health and metrics are served');
  return served;
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
  await options.predecessor?.turn();
  const claims: Claims = opened(await openClaims(dataDir, config.pidFile), (part) => part.close());
  return { loaded, output, log, dataDir, claims };
}

function requireServices({ auth, ssh, proxy, db, app }: Config): void {
  if ([auth, ssh, proxy, db, app].some((service) => service !== undefined)) return;
  throw new GatehouseError(
    'NOT_SUPPORTED',
    'nothing would run: this release has the services auth, proxy, node, db and app; enable one of them in the file or with --roles',
  );
}

/** Why the daemon cannot serve at present; empty when it can. */
function notReady(services: Services | undefined): readonly string[] {
  if (services === undefined) return ['starting'];
  const { auth, agent, proxy, member } = services;
  // What is ready and yet unknown to the cluster cannot be reached.
  const reasonsOf = (name: string, service: Agent | Proxy | undefined): string[] => {
    if (service === undefined) return [];
    const bad = [service.health(), member?.health()].find((one) => one?.ready === false);
    const reason = member?.membership.problem() ?? bad?.reason ?? 'not ready';
    return bad === undefined ? [] : [`${name}: ${reason}`];
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
