// What the kernel knows of a process: CPU seconds and resident memory.
import { readFileSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';

/** Of USER_HZ, which is 100 on every Linux that Node runs on. */
const TICKS = 100;
const KIB = 1024;

/** User and system, of all its threads. */
export function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1')
    .replace(/^.*\) /s, '')
    .split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS;
}

/** Bytes in memory that are the process's own, without mapped files. */
export function residentBytes(pid: number): number {
  return field(pid, 'RssAnon') * KIB;
}

/** All bytes in memory, with the program itself. */
export function wholeResidentBytes(pid: number): number {
  return field(pid, 'VmRSS') * KIB;
}

/** After it had time to collect its garbage. */
export async function settledBytes(pid: number, ms: number): Promise<number> {
  await wait(ms);
  return residentBytes(pid);
}

function field(pid: number, name: string): number {
  const status = readFileSync(`/proc/${pid}/status`, 'latin1');
  return Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1] ?? 0);
}
