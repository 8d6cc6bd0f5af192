// A name for a running process that no other gets, so that a spool left by a dead one is told from one in use: during a
// restart two daemons share the data directory. Where /proc is missing, the process id has to do.
import { readFileSync } from 'node:fs';

const BOOT = '/proc/sys/kernel/random/boot_id';
const NAME = /^p([1-9]\d{0,9})-([0-9a-f]+)$/;
/** Field of /proc/PID/stat that says when the process began, counted after the name of the program. */
const START_FIELD = 19;

/** `p<pid>-<boot and start of the process>` */
export function processName(pid: number = process.pid): string {
  return `p${pid}-${bornAt(pid) ?? '0'}`;
}

/** False only for a name of a process that is surely gone. */
export function isRunning(name: string): boolean {
  const [, digits = '', born = ''] = NAME.exec(name) ?? [];
  if (digits === '') return false;
  if (born !== '0') return bornAt(Number(digits)) === born;
  try {
    process.kill(Number(digits), 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function bornAt(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const start = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[START_FIELD] ?? '';
    const boot = readFileSync(BOOT, 'utf8').replaceAll('-', '').slice(0, 12);
    return `${boot}${Number(start).toString(16)}`;
  } catch {
    return undefined;
  }
}
