// The files of an audit folder: one per UTC day, named as documented, only ever appended to. Here are their names and
// the care for what a crash or a foreign hand left at their ends.
import { lstat, readdir, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import type { Log } from '#core/log.ts';
import { diskError, openFile, syncFolder } from '../disk.ts';
import { isIntact, MAX_LINE_BYTES, readLine } from '../record.ts';
import { lastLineEnd, readExact } from '../blocks.ts';

const SUFFIX = '.00:00:00.log';
const NAME = /^(\d{4}-\d{2}-\d{2})\.00:00:00\.log$/;

/** `2026-01-31`, in UTC. */
export function dayOf(timeMs: number): string {
  return new Date(timeMs).toISOString().slice(0, 10);
}

export function fileOf(folder: string, day: string): string {
  return join(folder, `${day}${SUFFIX}`);
}

/** Days that have a file, oldest first. */
export async function listDays(folder: string): Promise<string[]> {
  const days = (await readdir(folder)).map((name) => NAME.exec(name)?.[1]);
  return days.filter((day) => day !== undefined).sort();
}

/** Days that have a file of their own (no symbolic link), the one written to last first. */
export async function daysByChange(folder: string): Promise<string[]> {
  const changed = new Map<string, bigint>();
  for (const day of await listDays(folder)) {
    const found = await lstat(fileOf(folder, day), { bigint: true });
    if (found.isFile()) changed.set(day, found.mtimeNs);
  }
  return [...changed].sort((a, b) => Number(b[1] - a[1])).map(([day]) => day);
}

/** Opens a day's file for writing; makes it, with mode 0640, when it is missing. Never follows a symbolic link. */
export async function openDayFile(folder: string, day: string): Promise<FileHandle> {
  const path = fileOf(folder, day);
  try {
    return await openFile(path, 'write');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  const file = await openFile(path, 'make');
  await file.chmod(0o640);
  await syncFolder(folder);
  return file;
}

/** Whether the file of a day ends with a whole line. */
export async function endsWhole(folder: string, day: string): Promise<boolean> {
  const file = await openFile(fileOf(folder, day), 'read');
  try {
    const { size } = await file.stat();
    return (await lastLineEnd(file, size)) === size;
  } finally {
    await file.close();
  }
}

/**
 * Makes the file end with a whole line, and returns its size. What a crash left of a line is moved to `<day>.torn`
 * (its event comes again from the journal); a line that lacks nothing but its newline gets it. Whole lines stay,
 * whatever they hold.
 */
export async function repairTail(folder: string, day: string, file: FileHandle, log: Log): Promise<number> {
  const { size } = await file.stat();
  const end = await lastLineEnd(file, size);
  if (end === size) return size;
  try {
    if (size - end <= MAX_LINE_BYTES) {
      const rest = await readExact(file, end, size);
      if (isWholeEvent(rest.toString('utf8'))) {
        await file.write('\n', size);
        await file.datasync();
        return size + 1;
      }
    }
    await moveAside(folder, day, file, { start: end, end: size });
    await file.truncate(end);
    await file.datasync();
  } catch (error) {
    throw diskError(`repair the end of ${fileOf(folder, day)}`, error);
  }
  log.warn({ file: fileOf(folder, day), bytes: size - end }, 'audit log: moved a torn line aside');
  return end;
}

function isWholeEvent(line: string): boolean {
  const event = readLine(line);
  return event !== undefined && isIntact(line, event);
}

/** Keeps at most one line's worth: more than that was never an event. */
async function moveAside(
  folder: string,
  day: string,
  file: FileHandle,
  span: { start: number; end: number },
): Promise<void> {
  const torn = await openFile(join(folder, `${day}.torn`), 'append');
  try {
    await torn.write(await readExact(file, span.start, Math.min(span.end, span.start + MAX_LINE_BYTES)));
    await torn.write('\n');
    await torn.datasync();
  } finally {
    await torn.close();
  }
}
