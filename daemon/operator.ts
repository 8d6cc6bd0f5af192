// `gatehouse operator`: runs the operator in this process until a signal, or the loss of its lease, ends it. Beside main.ts
// because it has no configuration file and no services of its own; log, health and metrics are the daemon's.
import type { Writable } from 'node:stream';
import type { Address } from '#config/address.ts';
import type { LogConfig } from '#config/config.ts';
import { sleep, type Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/errors/error.ts';
import { Registry } from '#core/metrics/registry.ts';
import { startOperator, type Operator } from '#operator/main.ts';
import { startDiagnostics } from './diagnostics/server.ts';
import { openLog } from './log/open.ts';
import { streamOutput } from './log/output.ts';
import { processMetrics } from './metrics/process-metrics.ts';
import { watchSignals, type SignalSource } from './signals.ts';

export interface RunOperatorOptions {
  readonly clock: Clock;
  readonly version: string;
  readonly stderr: Writable;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly logLevel: LogConfig['severity'];
  readonly logFormat: LogConfig['format'];
  /** Where health and metrics are served; default: nowhere. */
  readonly diagAddr?: Address | undefined;
  readonly watchNamespace?: string | undefined;
  readonly leaderElect: boolean;
  /** Repository of the image of the clusters it makes. */
  readonly imageRepository: string;
  readonly signals: SignalSource;
  /** Ends the process at once. */
  readonly exit: (code: number) => void;
}

/** Less than the time that a lost lease leaves before another operator may act. */
const STOP_MS = 5000;
const SIGNAL_NUMBERS: Readonly<Record<string, number>> = { SIGINT: 2, SIGTERM: 15 };

/**
 * Resolves with 0 after TERM or INT; a second one ends the process at once. Throws INVALID_CONFIG when the environment does
 * not say what is needed, and UNAVAILABLE when the lease is lost.
 */
export async function runOperator(options: RunOperatorOptions): Promise<number> {
  const { clock, version, environment, signals, exit, diagAddr, logLevel, logFormat } = options;
  const { watchNamespace, leaderElect, imageRepository } = options;
  const namespace = required(environment, 'KUBE_NAMESPACE', 'the namespace that the operator runs in');
  const serviceAccount = required(environment, 'SERVICE_ACCOUNT', 'the ServiceAccount it runs as');
  const output = streamOutput(options.stderr);
  const extraFields = ['timestamp', 'level', 'component', 'caller'];
  const config = { output: 'stderr', severity: logLevel, format: logFormat, extraFields } as const;
  const log = openLog(config, output, clock).child({ part: 'operator' });
  const metrics = new Registry();
  const delay = processMetrics(metrics, version);
  const stopped = Promise.withResolvers<NodeJS.Signals>();
  const keep = keepProcess();
  let operator: Operator | undefined;
  const unwatch = watchSignals(signals, {
    stop: (signal) => stopped.resolve(signal),
    kill: (signal) => exit(128 + (SIGNAL_NUMBERS[signal] ?? 0)),
    dump: () =>
      log.info(
        { reasons: operator?.reasons(), memory: process.memoryUsage() },
        'diagnostics of the operator',
      ),
    reload: () => log.info({}, 'the operator has no configuration to read again'),
  });
  const closers: (() => unknown)[] = [unwatch, () => delay.disable(), () => output.close(), keep];
  try {
    if (diagAddr !== undefined) {
      const reasons = (): readonly string[] => operator?.reasons() ?? ['starting'];
      const served = await startDiagnostics({ listen: diagAddr, reasons, metrics: () => metrics.render() });
      closers.unshift(() => served.close());
      log.info({ address: served.address }, 'health and metrics are served');
    }
    const podName = environment['POD_NAME'] || undefined;
    const about = { environment, version, namespace, serviceAccount, podName, watchNamespace };
    const started = await startOperator({ ...about, clock, log, metrics, leaderElect, imageRepository });
    operator = started;
    closers.unshift(() => started.close());
    const end = await Promise.race([stopped.promise, started.lost]);
    if (end instanceof GatehouseError) throw end;
    log.info({ signal: end }, 'stopping');
    return 0;
  } finally {
    const late = new AbortController();
    // What is still open then would act beside another operator.
    void sleep(clock, STOP_MS, late.signal).then(
      () => exit(1),
      () => undefined,
    );
    for (const close of closers) await close();
    late.abort();
  }
}

function required(environment: RunOperatorOptions['environment'], name: string, says: string): string {
  const value = environment[name];
  if (value !== undefined && /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/.test(value)) return value;
  throw new GatehouseError('INVALID_CONFIG', `set ${name} in the environment: ${says}`);
}

/** Nothing else may: timers of the clock do not, and between two watches there is no socket. */
function keepProcess(): () => void {
  const { port1 } = new MessageChannel();
  port1.on('message', () => {});
  return () => port1.close();
}
