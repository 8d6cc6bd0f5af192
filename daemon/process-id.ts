// Which process this is, so that nobody else is ever taken for it: the number alone is used again after a crash or a
// reboot, number and start time are not.
import { readFileSync } from 'node:fs';

export interface ProcessId {
  readonly pid: number;
  /** Boot id and start time; empty where the system does not tell. */
  readonly started: string;
}

export function thisProcess(): ProcessId {
  return { pid: process.pid, started: startOf(process.pid) };
}

/** True when the process still runs, or when that cannot be told. */
export function isRunning({ pid, started }: ProcessId): boolean {
  const now = startOf(pid);
  if (now !== '') return started === '' || now === started;
  if (started !== '') return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** `123`, `123 <start>` or `123 <start> <more>` on one line; undefined for anything else. */
export function parseProcessId(text: string): ProcessId | undefined {
  const match = /^(\d{1,10})(?: (\S{1,100})(?: \S{1,100})?)?\n?$/.exec(text);
  return match === null ? undefined : { pid: Number(match[1]), started: match[2] ?? '' };
}

export const formatProcessId = ({ pid, started }: ProcessId): string => `${pid} ${started}\n`;

function startOf(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The name in parentheses may hold anything, so count from behind it; field 22 is the start.
    const start = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
    return `${readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim()}/${start}`;
  } catch {
    return '';
  }
}
