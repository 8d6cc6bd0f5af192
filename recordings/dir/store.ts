// Recordings in a folder of the auth server, usually `<data dir>/log/sessions`:
//   default/<session>/000001.segment …   owner.json   complete.json    a recording of several segments
//   default/<session>.segment                                          a recording of one, put as a whole
//   index/<day>.index   tmp/
import { createReadStream } from 'node:fs';
import { lstat, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/errors/error.ts';
import { diskError, isMissing, openExisting, realDisk, type Disk } from '../disk.ts';
import { sha256 as hashOf } from '../format/segment.ts';
import { requireSessionId } from '../meta.ts';
import { checkUpload, metaOf } from '../segment-facts.ts';
import type { RecordingSource, SegmentInfo } from '../source.ts';
import type { RecordingEntry, RecordingPage, RecordingQuery, RecordingStore } from '../store.ts';
import { MAX_BATCH, type Completion, type SegmentUpload } from '../upload.ts';
import { entryOf, requireOwner, requireWhole, wholeEntry } from './entry.ts';
import { DayIndex } from './index-file.ts';
import { listIndex } from './list.ts';
import { Objects } from './objects.ts';
import { InTurn } from './in-turn.ts';
import { measureSpace, requireRoom, type MeasureSpace } from './reserve.ts';

const SEGMENT = /^(\d{6})\.segment$/;

export interface DirStoreOptions {
  readonly path: string;
  readonly clock: Clock;
  readonly disk?: Disk;
  /** For tests. */
  readonly space?: MeasureSpace;
}

/** Makes the folder when it is not there (mode 0750). One process at a time writes; the caller closes it. */
export async function openDirRecordings(options: DirStoreOptions): Promise<RecordingStore> {
  const disk = options.disk ?? realDisk;
  const objects = new Objects(options.path, disk);
  await objects.open(options.clock.now());
  await objects.makeFolder(join(options.path, 'default'));
  const index = new DayIndex(join(options.path, 'index'), disk);
  await index.open();
  return new DirStore(options, objects, index);
}

interface Owner {
  readonly owner: string;
  readonly created: number;
}

class DirStore implements RecordingStore {
  readonly name: string;
  readonly #root: string;
  readonly #clock: Clock;
  readonly #objects: Objects;
  readonly #index: DayIndex;
  readonly #turns = new InTurn();
  readonly #space: MeasureSpace;

  constructor({ path, clock, space }: DirStoreOptions, objects: Objects, index: DayIndex) {
    this.name = `file://${path}`;
    this.#root = join(path, 'default');
    this.#clock = clock;
    this.#space = space ?? measureSpace;
    this.#objects = objects;
    this.#index = index;
  }

  async putSegment(owner: string, upload: SegmentUpload): Promise<void> {
    checkUpload(upload);
    const { session, number } = upload;
    const meta = number === 1 ? metaOf(upload.bytes) : undefined;
    if (meta !== undefined) requireOwner(session, meta.recorded_by, owner);
    await requireRoom(this.#root, upload.bytes.length, this.#space);
    await this.#turns.take(session, async () => {
      if (await this.#isKeptWhole(upload)) return;
      const { created } = await this.#claim(session, owner);
      const completed = await this.#completed(session);
      if (completed !== undefined && number > completed.segments)
        throw taken(`the recording ${session} is complete with ${completed.segments} segments`);
      await this.#keep(this.#segmentPath(session, number), upload);
      if (number !== 1 || completed !== undefined) return;
      const status = 'recording';
      await this.#index.add([entryOf({ session, owner, status, meta, created })]);
    });
  }

  /** True when the same bytes are there as a whole recording; others are ALREADY_EXISTS. */
  async #isKeptWhole({ session, number, sha256 }: SegmentUpload): Promise<boolean> {
    const whole = await this.#objects.read(this.#wholePath(session));
    if (whole === undefined) return false;
    if (number === 1 && hashOf(whole) === sha256) return true;
    throw taken(`the recording ${session} is complete with one segment, and another one`);
  }

  async #claim(session: string, owner: string): Promise<Owner> {
    const found = await this.#claimOf(session);
    if (found !== undefined) {
      requireOwner(session, found.owner, owner);
      return found;
    }
    const folder = join(this.#root, session);
    await this.#objects.makeFolder(folder);
    const claim: Owner = { owner, created: this.#clock.now() };
    await this.#objects.create(join(folder, 'owner.json'), Buffer.from(JSON.stringify(claim)));
    return claim;
  }

  async #keep(path: string, { session, number, sha256, bytes }: SegmentUpload): Promise<void> {
    if (await this.#objects.create(path, bytes)) return;
    const kept = await this.#objects.read(path);
    if (kept === undefined || hashOf(kept) !== sha256)
      throw taken(`segment ${number} of the recording ${session} is there with other content`);
  }

  async complete(owner: string, completion: Completion): Promise<RecordingEntry> {
    const { session, segments, head } = completion;
    requireSessionId(session);
    return this.#turns.take(session, async () => {
      const completed = (await this.#completed(session)) ?? (await this.#whole(session));
      if (completed !== undefined) {
        requireOwner(session, completed.owner, owner);
        if (completed.segments !== segments || completed.head !== head)
          throw taken(`the recording ${session} was completed otherwise`);
        await this.#index.add([completed]);
        return completed;
      }
      const entry = await this.#buildEntry(owner, completion);
      await this.#objects.create(this.#completePath(session), Buffer.from(JSON.stringify(entry)));
      await this.#index.add([entry]);
      return entry;
    });
  }

  async #buildEntry(owner: string, completion: Completion): Promise<RecordingEntry> {
    const { session, segments, head } = completion;
    const claim = await this.#claimOf(session);
    if (claim === undefined) throw unknown(session);
    requireOwner(session, claim.owner, owner);
    const there = new Map((await this.#segments(session)).map(({ number, bytes }) => [number, bytes]));
    const missing = Array.from({ length: segments }, (_, at) => at + 1).filter((n) => !there.has(n));
    const undeclared = missing.filter((number) => !completion.missing.includes(number));
    if (undeclared.length > 0)
      throw new GatehouseError('CONDITION_FAILED', `the recording ${session} lacks segments`, {
        details: { missing: undeclared.slice(0, 1000) },
      });
    const first = there.has(1) ? await this.#objects.read(this.#segmentPath(session, 1)) : undefined;
    const last = there.has(segments)
      ? await this.#objects.read(this.#segmentPath(session, segments))
      : undefined;
    if (last !== undefined && hashOf(last) !== head)
      throw new GatehouseError('CONDITION_FAILED', `the last segment of ${session} is another one`);
    const bytes = [...there.values()].reduce((sum, size) => sum + size, 0);
    const meta = first === undefined ? undefined : metaOf(first);
    return entryOf({ session, owner, meta, last, created: claim.created, segments, head, missing, bytes });
  }

  async putWhole(
    owner: string,
    uploads: readonly Omit<SegmentUpload, 'number'>[],
  ): Promise<readonly RecordingEntry[]> {
    if (uploads.length > MAX_BATCH)
      throw new GatehouseError('TOO_LARGE', `a batch holds at most ${MAX_BATCH} recordings`);
    const entries = uploads.map((upload) => {
      checkUpload({ ...upload, number: 1 });
      const entry = requireWhole(upload.session, upload.bytes, this.#clock.now());
      requireOwner(upload.session, entry.owner, owner);
      return entry;
    });
    const bytes = uploads.reduce((sum, upload) => sum + upload.bytes.length, 0);
    await requireRoom(this.#root, bytes, this.#space);
    await Promise.all(uploads.map((upload) => this.#putWhole(owner, upload)));
    await this.#objects.syncFolder(this.#root);
    await this.#index.add(entries);
    return entries;
  }

  async #putWhole(owner: string, upload: Omit<SegmentUpload, 'number'>): Promise<void> {
    const { session, sha256, bytes } = upload;
    const isClaimed = await this.#turns.take(session, async () => {
      // Asked in the same turn: two hosts must not have the same recording in two places.
      if ((await this.#claimOf(session)) !== undefined) return true;
      const path = this.#wholePath(session);
      if (await this.#objects.create(path, bytes, false)) return false;
      const kept = await this.#objects.read(path);
      if (kept === undefined || hashOf(kept) !== sha256)
        throw taken(`the recording ${session} is there with other content`);
      return false;
    });
    if (!isClaimed) return;
    // Its segment came on its own before.
    await this.putSegment(owner, { ...upload, number: 1 });
    await this.complete(owner, { session, segments: 1, head: sha256, missing: [] });
  }

  async get(session: string): Promise<RecordingEntry | undefined> {
    requireSessionId(session);
    const completed = (await this.#completed(session)) ?? (await this.#whole(session));
    if (completed !== undefined) return completed;
    const claim = await this.#claimOf(session);
    if (claim === undefined) return undefined;
    const first = await this.#objects.read(this.#segmentPath(session, 1));
    const meta = first === undefined ? undefined : metaOf(first);
    const { owner, created } = claim;
    return entryOf({ session, owner, status: 'recording', meta, created });
  }

  list(query: RecordingQuery): Promise<RecordingPage> {
    return listIndex(this.#index, query);
  }

  source(session: string): RecordingSource {
    requireSessionId(session);
    return {
      session,
      segments: async () => {
        const found = await this.#segments(session);
        if (found.length === 0) throw unknown(session);
        return found;
      },
      open: (number) => this.#read(session, number),
    };
  }

  async *#read(session: string, number: number): AsyncGenerator<Uint8Array> {
    const paths = [this.#segmentPath(session, number), ...(number === 1 ? [this.#wholePath(session)] : [])];
    for (const path of paths) {
      try {
        const file = await openExisting(path, 'read');
        yield* createReadStream('', { fd: file }) as AsyncIterable<Buffer>;
        return;
      } catch (error) {
        if (!isMissing(error)) throw diskError('read a recording', error);
      }
    }
    throw unknown(session);
  }

  async #segments(session: string): Promise<SegmentInfo[]> {
    const folder = join(this.#root, session);
    try {
      const numbers = (await readdir(folder)).map((name) => Number(SEGMENT.exec(name)?.[1] ?? 0));
      const found = numbers.filter((number) => number > 0).sort((a, b) => a - b);
      return await Promise.all(
        found.map(async (number) => ({
          number,
          bytes: (await lstat(this.#segmentPath(session, number))).size,
        })),
      );
    } catch (error) {
      if (!isMissing(error)) throw diskError('read a recording', error);
    }
    const whole = await lstat(this.#wholePath(session)).catch(() => undefined);
    return whole === undefined ? [] : [{ number: 1, bytes: whole.size }];
  }

  async remove(session: string): Promise<boolean> {
    requireSessionId(session);
    return this.#turns.take(session, async () => {
      const entry = await this.get(session);
      if (entry === undefined) return false;
      try {
        await rm(join(this.#root, session), { recursive: true, force: true });
        await rm(this.#wholePath(session), { force: true });
      } catch (error) {
        throw diskError('remove a recording', error);
      }
      await this.#objects.syncFolder(this.#root);
      await this.#index.remove(entry);
      return true;
    });
  }

  async close(): Promise<void> {
    await this.#turns.idle();
  }

  async #whole(session: string): Promise<RecordingEntry | undefined> {
    const bytes = await this.#objects.read(this.#wholePath(session));
    return bytes === undefined ? undefined : wholeEntry(session, bytes, this.#clock.now());
  }

  #claimOf(session: string): Promise<Owner | undefined> {
    return this.#readJson<Owner>(join(this.#root, session, 'owner.json'));
  }

  #completed(session: string): Promise<RecordingEntry | undefined> {
    return this.#readJson<RecordingEntry>(this.#completePath(session));
  }

  /** Files of ours; CORRUPT when one is no JSON. */
  async #readJson<T>(path: string): Promise<T | undefined> {
    const bytes = await this.#objects.read(path);
    if (bytes === undefined) return undefined;
    try {
      return JSON.parse(bytes.toString('utf8')) as T;
    } catch (cause) {
      throw new GatehouseError('CORRUPT', `recordings: ${path} is no JSON`, { cause });
    }
  }

  #segmentPath(session: string, number: number): string {
    return join(this.#root, session, `${String(number).padStart(6, '0')}.segment`);
  }

  #wholePath(session: string): string {
    return join(this.#root, `${session}.segment`);
  }

  #completePath(session: string): string {
    return join(this.#root, session, 'complete.json');
  }
}

function taken(what: string): GatehouseError {
  return new GatehouseError('ALREADY_EXISTS', what);
}

function unknown(session: string): GatehouseError {
  return new GatehouseError('NOT_FOUND', `there is no recording ${session}`);
}
