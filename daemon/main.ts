// `gatehouse start`: runs the daemon in this process until a signal or a failure ends it. The only file of this room
// that commands may import.
import { flushCompileCache } from 'node:module';
import { sleep } from '#core/clock.ts';
import { startDaemon, type Daemon, type DaemonOptions } from './daemon.ts';
import { findPredecessor, type ParentChannel } from './handover/predecessor.ts';
import { successorOf, type ProgramLine } from './handover/successor.ts';
import { patienceOf } from './patience.ts';
import { watchSignals, type SignalSource } from './signals.ts';

export interface RunOptions extends Omit<DaemonOptions, 'startSuccessor' | 'predecessor'> {
  /** What this process was started as: graceful restarts start it again. */
  readonly program: ProgramLine;
  /** The process object, by which one that is started by a graceful restart hears of the old one. */
  readonly parent: ParentChannel;
  readonly signals: SignalSource;
  /** Ends the process at once. */
  readonly exit: (code: number) => void;
}

/** What is still open after this long is left to the system; the store and the audit log survive a kill. */
const STOP_MS = 2000;
const FLUSH_MS = 20_000;
const SIGNAL_NUMBERS: Readonly<Record<string, number>> = { SIGINT: 2, SIGTERM: 15 };

/**
 * Resolves with the exit code: 0, after TERM (and what `drain_timeout` allows) or INT, or when another process has taken over and nothing is left here. A second one ends the process at once (128 + its number). Errors
 * of the start, and of a service that cannot go on, are thrown when everything is closed.
 */
export async function runDaemon(options: RunOptions): Promise<number> {
  const { clock, signals, exit } = options;
  const stopped = Promise.withResolvers<NodeJS.Signals>();
  const release = keepProcess();
  // First of all: until USR1 has a listener, the runtime opens its debugger on it.
  let daemon: Daemon | undefined;
  const unwatch = watchSignals(signals, {
    stop: (signal) => stopped.resolve(signal),
    kill: (signal) => exit(128 + (SIGNAL_NUMBERS[signal] ?? 0)),
    dump: () => daemon?.dump(),
    reload: (signal) => void daemon?.reload(signal),
  });
  try {
    daemon = await startDaemon({
      ...options,
      startSuccessor: successorOf(options.program),
      predecessor: findPredecessor(options.environment, options.parent),
    });
    // When nobody waits, neither for the start nor for the end.
    clock.after(FLUSH_MS, () => flushCompileCache());
    const signal = await Promise.race([stopped.promise, daemon.failed, daemon.finished]);
    // Who presses Ctrl-C waits for nobody.
    if (signal === 'SIGTERM') await Promise.race([daemon.leave(), daemon.failed]);
    daemon.log.info({ signal }, 'stopping');
    return 0;
  } finally {
    if (daemon !== undefined) {
      const late = new AbortController();
      const isClosed = await Promise.race([
        daemon.close().then(() => true),
        sleep(clock, stopMs(daemon, options), late.signal).then(
          () => false,
          () => true,
        ),
      ]);
      late.abort();
      // Sockets of calls that do not end would keep the process.
      if (!isClosed) exit(0);
    }
    unwatch();
    release();
  }
}

/** As init, the process waits for the end of the one that took over, which may drain as well. */
function stopMs({ drainTimeoutMs }: Daemon, { environment }: RunOptions): number {
  return STOP_MS + patienceOf(environment) + (process.pid === 1 ? drainTimeoutMs : 0);
}

/** Nothing else may: timers of the clock do not, and an agent between two heartbeats has no socket. */
function keepProcess(): () => void {
  const { port1 } = new MessageChannel();
  port1.on('message', () => {});
  return () => port1.close();
}
