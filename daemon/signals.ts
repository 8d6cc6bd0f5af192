// What the signals of the system mean to the daemon. Apart from main.ts so that tests can send them to a fake process.

export interface SignalSource {
  on(signal: NodeJS.Signals, listener: (signal: NodeJS.Signals) => void): unknown;
  off(signal: NodeJS.Signals, listener: (signal: NodeJS.Signals) => void): unknown;
}

export interface SignalActions {
  /** TERM and INT, the first time. */
  stop(signal: NodeJS.Signals): void;
  /** TERM and INT, again: whoever sends it does not want to wait. */
  kill(signal: NodeJS.Signals): void;
  /** USR1. */
  dump(): void;
  /** HUP and USR2. */
  reload(signal: NodeJS.Signals): void;
}

/** Returns how to stop listening. */
export function watchSignals(source: SignalSource, actions: SignalActions): () => void {
  let isStopping = false;
  const end = (signal: NodeJS.Signals): void => {
    if (isStopping) actions.kill(signal);
    else actions.stop(signal);
    isStopping = true;
  };
  const listeners: readonly (readonly [NodeJS.Signals, (signal: NodeJS.Signals) => void])[] = [
    ['SIGTERM', end],
    ['SIGINT', end],
    ['SIGUSR1', () => actions.dump()],
    ['SIGHUP', (signal) => actions.reload(signal)],
    ['SIGUSR2', (signal) => actions.reload(signal)],
  ];
  for (const [signal, listener] of listeners) source.on(signal, listener);
  return () => {
    for (const [signal, listener] of listeners) source.off(signal, listener);
  };
}
