// What all sessions of a process share: accounts, terminals, pipes, the launcher, and memory to read into. Opened once
// by the service and closed with it.
import type { Clock } from '#core/clock.ts';
import { openAccounts, type Accounts, type AccountsOptions } from '../account/accounts.ts';
import { Launcher } from '../process/launcher.ts';
import { Pipes } from '../process/pipes.ts';
import { Terminals } from '../process/terminals.ts';
import { OutputBatch } from './output-batch.ts';
import { LiveTerminals } from './live-terminals.ts';

export interface SessionRuntime {
  readonly accounts: Accounts;
  readonly launcher: Launcher;
  readonly terminals: Terminals;
  readonly pipes: Pipes;
  /** Output of programs is read into it; what is in it is dealt with before the next read. */
  readonly readBuffer: Buffer;
  readonly batch: OutputBatch;
  /** Sessions with a terminal that are going on, to be joined. */
  readonly live: LiveTerminals;
  /** Sessions are ended by their connections. Safe to call twice. */
  close(): void;
}

const READ_BYTES = 64 * 1024;

export function openSessionRuntime(options: {
  readonly clock: Clock;
  /** For tests. */
  readonly accounts?: Omit<AccountsOptions, 'clock'>;
}): SessionRuntime {
  const terminals = new Terminals();
  const pipes = new Pipes();
  // The first session need not wait; what goes wrong now is told to whoever asks for pipes.
  pipes.prepare().catch(() => {});
  return {
    accounts: openAccounts({ clock: options.clock, ...options.accounts }),
    launcher: new Launcher(terminals),
    terminals,
    pipes,
    readBuffer: Buffer.allocUnsafeSlow(READ_BYTES),
    batch: new OutputBatch(),
    live: new LiveTerminals(),
    close() {
      pipes.close();
      terminals.close();
    },
  };
}
