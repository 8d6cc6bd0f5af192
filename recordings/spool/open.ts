// The spool on disk: `<dir>/<process>/` holds the files of one process, `<dir>/quarantine/` what nobody takes. Each
// process has a folder of its own, because during a restart the old and the new daemon both record.
import { randomBytes } from 'node:crypto';
import { readdir, rename, rm, rmdir, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '#core/clock.ts';
import type { Code } from '#core/errors/codes.ts';
import { GatehouseError, isCode } from '#core/errors/error.ts';
import type { Log } from '#core/log.ts';
import type { ClosedSegment, OpenSegment, RecordingFailure, Spool } from '../spool.ts';
import { Packer } from '../format/packer.ts';
import { coalesce } from './coalesce.ts';
import { diskError, isMissing, makeFile, makeFolder, realDisk, syncFolder, type Disk } from '../disk.ts';
import { nameOf, parseName, type SegmentName } from './names.ts';
import { openSegment, type SpoolSegment } from './open-segment.ts';
import { isRunning, processName } from './process-name.ts';
import { repairSession } from './repair.ts';

const QUARANTINE = 'quarantine';
/** Left in order by a process that ended; anybody may take it. */
const LEFT = 'left-';

export interface SpoolOptions {
  /** Usually `<data dir>/log/upload`. Made with mode 0700. */
  readonly dir: string;
  readonly maxBytes: number;
  readonly clock: Clock;
  readonly log: Log;
  /** Told of everything that is lost or put aside. */
  readonly onFailure: (failure: RecordingFailure) => void;
  readonly disk?: Disk;
}

/**
 * Opens the spool, with what dead processes left in it. On a full disk it opens too: sessions are refused or left out
 * until there is room. STORAGE_FAILED when the folder cannot be used. The caller closes it, after all recorders.
 */
export async function openSpool(options: SpoolOptions): Promise<Spool> {
  const own = join(options.dir, `${processName()}.${randomBytes(4).toString('hex')}`);
  const spool = new DirSpool(options, own);
  try {
    await spool.prepare();
    await spool.adopt();
  } catch (error) {
    if (!isCode(error, 'STORAGE_FULL')) throw error;
    options.log.warn({ error }, 'recording: no space for the spool');
  }
  return spool;
}

class DirSpool implements Spool {
  readonly packer = new Packer();
  readonly dir: string;
  readonly maxBytes: number;
  readonly #own: string;
  readonly #options: SpoolOptions;
  readonly #disk: Disk;
  #isPrepared = false;
  #used = 0;
  readonly #open = new Set<SpoolSegment>();
  readonly #closed = new Map<string, ClosedSegment[]>();
  readonly #listeners = new Set<(segment: ClosedSegment) => void>();
  /** Sessions of dead processes that could not be finished yet. */
  readonly #unfinished = new Set<string>();
  /** One sync of the folder serves all who asked before it began. */
  readonly #syncFolder: () => Promise<void>;
  #adopting: Promise<number> | undefined;

  constructor(options: SpoolOptions, own: string) {
    this.#options = options;
    this.#own = own;
    this.dir = options.dir;
    this.maxBytes = options.maxBytes;
    this.#disk = options.disk ?? realDisk;
    this.#syncFolder = coalesce(() =>
      syncFolder(own).catch((error: unknown) => {
        throw diskError('write the spool folder to stable storage', error);
      }),
    );
  }

  /** Makes the folders. May be called again. */
  async prepare(): Promise<void> {
    await makeFolder(this.#own);
    await makeFolder(join(this.dir, QUARANTINE));
    this.#isPrepared = true;
  }

  usedBytes(): number {
    return this.#used;
  }

  async begin(session: string, number: number, header: Uint8Array): Promise<OpenSegment> {
    const path = this.#path({ session, number, state: 'part' });
    try {
      if (!this.#isPrepared) await this.prepare();
      const file = await makeFile(path);
      const segment = openSegment({
        file,
        path,
        header,
        disk: this.#disk,
        reserve: (bytes) => this.#reserve(bytes),
        closedPath: (last) => this.#path({ session, number, state: last ? 'end' : 'seg' }),
        settled: async (bytes, last) => {
          this.#open.delete(segment);
          await this.#syncFolder();
          this.#add({ session, number, last, bytes, path: this.#path(stateOf(session, number, last)) });
        },
      });
      this.#open.add(segment);
      return segment;
    } catch (error) {
      throw diskError('begin a segment', error);
    }
  }

  #path(name: SegmentName): string {
    return join(this.#own, nameOf(name));
  }

  #reserve(bytes: number): void {
    if (bytes > 0 && this.#used + bytes > this.maxBytes)
      throw new GatehouseError(
        'STORAGE_FULL',
        `recordings: the ${this.maxBytes} bytes of ${this.dir} are taken by recordings that wait for upload`,
      );
    this.#used += bytes;
  }

  #add(segment: ClosedSegment): void {
    const segments = this.#closed.get(segment.session) ?? [];
    if (segments.some(({ number }) => number === segment.number)) return;
    segments.push(segment);
    this.#closed.set(segment.session, segments);
    for (const listener of this.#listeners) listener(segment);
  }

  closed(): readonly ClosedSegment[] {
    return [...this.#closed.values()].flat();
  }

  onClosed(listener: (segment: ClosedSegment) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async remove(segment: ClosedSegment): Promise<void> {
    await unlink(segment.path).catch((error: unknown) => {
      if (!isMissing(error)) throw diskError('remove an uploaded segment', error);
    });
    this.#forget(segment);
  }

  async quarantine(segment: ClosedSegment, code: Code, reason: string): Promise<void> {
    const { session, number, last } = segment;
    const target = join(this.dir, QUARANTINE, nameOf(stateOf(session, number, last)));
    await rename(segment.path, target).catch((error: unknown) => {
      if (!isMissing(error)) throw diskError('put a segment aside', error);
    });
    this.#forget(segment);
    this.report({ session, step: 'upload', code, reason: `segment ${number}: ${reason}` });
  }

  #forget(segment: ClosedSegment): void {
    const segments = this.#closed.get(segment.session) ?? [];
    const rest = segments.filter(({ number }) => number !== segment.number);
    if (rest.length === segments.length) return;
    this.#used -= segment.bytes;
    if (rest.length === 0) this.#closed.delete(segment.session);
    else this.#closed.set(segment.session, rest);
  }

  report(failure: RecordingFailure): void {
    this.#options.log.error({ ...failure }, 'recording: something was not kept');
    this.#options.onFailure(failure);
  }

  adopt(): Promise<number> {
    this.#adopting ??= this.#adopt().finally(() => (this.#adopting = undefined));
    return this.#adopting;
  }

  async #adopt(): Promise<number> {
    if (!this.#isPrepared) await this.prepare();
    const moved = new Map<string, number>();
    for (const folder of await readdir(this.dir, { withFileTypes: true })) {
      const isDead = folder.name.startsWith(LEFT) || !isRunning(folder.name.split('.')[0] ?? '');
      if (!folder.isDirectory() || folder.name === QUARANTINE || !isDead) continue;
      await this.#takeOver(join(this.dir, folder.name), moved);
    }
    const oldestFirst = [...moved].sort(([, a], [, b]) => a - b);
    for (const [session] of oldestFirst) this.#unfinished.add(session);
    for (const session of this.#unfinished) await this.#finish(session);
    return moved.size;
  }

  /** Moves the files of a dead process here; what is there after a crash in between is moved the next time. */
  async #takeOver(folder: string, moved: Map<string, number>): Promise<void> {
    for (const name of await readdir(folder).catch(() => [])) {
      const parsed = parseName(name);
      const target = parsed === undefined ? join(this.dir, QUARANTINE, name) : join(this.#own, name);
      try {
        await rename(join(folder, name), target);
        if (parsed === undefined) continue;
        const { mtimeMs } = await stat(target);
        moved.set(parsed.session, Math.min(mtimeMs, moved.get(parsed.session) ?? Infinity));
      } catch (error) {
        if (!isMissing(error)) throw diskError('take over a segment', error);
      }
    }
    await rmdir(folder).catch(() => undefined);
  }

  async #finish(session: string): Promise<void> {
    try {
      const names = await this.#filesOf(session);
      const finished = await repairSession({
        folder: this.#own,
        names,
        disk: this.#disk,
        packer: this.packer,
      });
      await this.#syncFolder();
      const known = new Set(this.#closed.get(session)?.map(({ number }) => number));
      for (const name of finished.filter(({ number }) => !known.has(number))) {
        const path = this.#path(name);
        const { size: bytes } = await stat(path);
        this.#used += bytes;
        this.#add({ session, number: name.number, last: name.state === 'end', path, bytes });
      }
      this.#unfinished.delete(session);
    } catch (error) {
      this.#options.log.warn({ session, error }, 'recording: what a dead process left is not finished yet');
    }
  }

  async #filesOf(session: string): Promise<SegmentName[]> {
    const names = (await readdir(this.#own)).map(parseName).filter((name) => name !== undefined);
    return names.filter((name) => name.session === session).sort((a, b) => a.number - b.number);
  }

  async close(): Promise<void> {
    await this.#adopting?.catch(() => undefined);
    this.#listeners.clear();
    this.packer.close();
    for (const segment of this.#open) await segment.abandon().catch(() => undefined);
    this.#open.clear();
    const names = await readdir(this.#own).catch(() => []);
    if (names.length === 0) await rm(this.#own, { recursive: true, force: true });
    else await rename(this.#own, join(this.dir, `${LEFT}${randomBytes(8).toString('hex')}`));
  }
}

function stateOf(session: string, number: number, last: boolean): SegmentName {
  return { session, number, state: last ? 'end' : 'seg' };
}
