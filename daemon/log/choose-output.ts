// The output that the configuration names.
import type { Writable } from 'node:stream';
import type { LogConfig } from '#config/config.ts';
import type { Clock } from '#core/clock.ts';
import { fileOutput, streamOutput, type LogOutput } from './output.ts';
import { syslogOutput } from './syslog.ts';

export interface OutputParts {
  readonly clock: Clock;
  readonly stdout: Writable;
  readonly stderr: Writable;
}

/** INVALID_CONFIG when it cannot be written. What happens to it later is told on stderr. */
export async function chooseOutput(
  output: LogConfig['output'],
  { clock, stdout, stderr }: OutputParts,
): Promise<LogOutput> {
  const complain = (message: string): void => void stderr.write(`gatehouse: ${message}\n`);
  if (output === 'stderr') return streamOutput(stderr);
  if (output === 'stdout') return streamOutput(stdout);
  if (output === 'syslog') return syslogOutput({ clock, complain });
  return fileOutput(output.path, complain);
}
