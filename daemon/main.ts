// `gatehouse start`: opens the services that a configuration asks for in one process, connects them, and closes them
// in reverse. No logic.
import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import type { Writable } from 'node:stream';
import { startAuth } from '#auth/main.ts';
import type { ConfigFlags } from '#config/flags.ts';
import { loadConfig } from '#config/load.ts';
import type { Clock } from '#core/clock.ts';
import { Secret } from '#core/secret.ts';
import { authOptions } from './auth-options.ts';
import { prepareDataDir } from './data-dir.ts';
import { openLog } from './log/open.ts';
import { streamOutput } from './log/output.ts';

export interface DaemonOptions {
  readonly clock: Clock;
  readonly version: string;
  readonly stdout: Writable;
  readonly stderr: Writable;
  readonly configPath?: string | undefined;
  readonly flags: ConfigFlags;
}

export interface Daemon {
  close(): Promise<void>;
}

/** Resolves when the services are up. Errors are those of the parts; what was opened is closed again. */
export async function startDaemon(options: DaemonOptions): Promise<Daemon> {
  const { clock, version, stdout, stderr } = options;
  const { config, notices } = await loadConfig({
    hostname: hostname(),
    flags: options.flags,
    ...(options.configPath === undefined ? {} : { path: options.configPath }),
  });
  const log = openLog(config.log, streamOutput(stderr), clock);
  for (const { path, message, line } of notices) log.warn({ part: 'process', path, line }, message);
  const dataDir = await prepareDataDir(config.dataDir, { uid: process.getuid?.() }, log);
  const ownToken = { roles: ['node'] as const, token: new Secret(randomBytes(32).toString('hex')) };
  if (config.auth === undefined) throw new Error('no auth here');
  const auth = await startAuth(
    await authOptions(config, config.auth, {
      clock,
      log: log.child({ part: 'auth' }),
      stdout,
      version,
      dataDir,
      ownToken,
    }),
  );
  log.info(
    { part: 'process', address: auth.address, cluster: auth.clusterName },
    'the auth service is ready',
  );
  return { close: () => auth.close() };
}
