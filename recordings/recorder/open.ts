// Records one session. What is shown is copied into a block and the call returns; block-writer.ts packs and writes it.
// When that falls behind the session is told to wait; what cannot be kept is counted and told. Nothing here grows.
import type { Timer } from '#core/clock.ts';
import { GatehouseError } from '#core/errors/error.ts';
import { timestampOf } from '#core/timestamp.ts';
import { encodeSize } from '../format/frames.ts';
import {
  fitFacts,
  fitOutcome,
  requireSessionId,
  type RecordingEnd,
  type RecordingMeta,
  type SessionOutcome,
} from '../meta.ts';
import type { RecorderOptions, SessionRecorder } from '../recorder.ts';
import { BlockBuilder } from './block-builder.ts';
import { BlockWriter } from './block-writer.ts';
import { SessionTime } from './session-time.ts';

/** Unwritten output above which the session is told to wait. */
const HIGH_WATER = 512 * 1024;
/** Output beyond this is left out: a session that does not wait must not take the memory of others. */
const MAX_UNWRITTEN = 4 * 1024 * 1024;
const EXCERPT_BYTES = 64 * 1024;
const MAX_EVENT_BYTES = 32 * 1024;

/** How long output may be in memory only. A command that takes less than the second is written once, when it ends. */
const BLOCK_AGE_MS = 2000;
const EXCERPT_AGE_MS = 10_000;
/** A disk that stays full is told once in this time. */
const TELL_EVERY_MS = 60_000;

/** Begins a recording; writes nothing before there is something to write. BAD_REQUEST for a session id that is none. */
export function openRecorder(options: RecorderOptions): SessionRecorder {
  requireSessionId(options.sessionId);
  return new Recorder(options);
}

class Recorder implements SessionRecorder {
  readonly started: Promise<void>;
  readonly failed: Promise<never>;
  readonly #options: RecorderOptions;
  readonly #time: SessionTime;
  readonly #writer: BlockWriter;
  readonly #isStrict: boolean;
  readonly #isExcerpt: boolean;
  readonly #meta: Buffer;

  #block: BlockBuilder | undefined;
  #timer: Timer | undefined;
  /** Whether the first frame is in a block, and in a segment. */
  #start: 'missing' | 'queued' | 'written' = 'missing';
  #size: Buffer | undefined;

  #outputBytes = 0;
  #stderrBytes = 0;
  #omittedBytes = 0;
  /** Omitted since the last frame that tells a gap. */
  #gapBytes = 0;
  #excerptLeft = EXCERPT_BYTES;

  #toldAt: number | undefined;
  #failure: GatehouseError | undefined;
  #fail: (error: GatehouseError) => void = () => undefined;
  #outcome: SessionOutcome | undefined;
  #ending: Promise<void> | undefined;
  #settleEnd: (error?: GatehouseError) => void = () => undefined;

  constructor(options: RecorderOptions) {
    this.#options = options;
    this.#time = new SessionTime(options.clock);
    this.#isStrict = options.mode === 'strict';
    this.#isExcerpt = options.kind === 'exec' && !this.#isStrict;
    const meta: RecordingMeta = {
      ...fitFacts(options.facts),
      sid: options.sessionId,
      kind: options.kind,
      started_at: timestampOf(this.#time.startedAt),
    };
    this.#meta = Buffer.from(JSON.stringify(meta));
    this.#writer = new BlockWriter({
      spool: options.spool,
      session: options.sessionId,
      clock: options.clock,
      sync: options.sync,
      onWritten: () => (this.#start = 'written'),
      onTrouble: (error, lost) => this.#trouble(error, lost),
      onFinished: () => {
        this.#settleEnd(this.#failure);
        options.onFinished?.();
      },
    });
    this.failed = new Promise((_, reject) => (this.#fail = reject));
    this.failed.catch(() => undefined);
    this.#blockFor(0);
    this.started = this.#isStrict ? this.flush() : Promise.resolve();
    this.started.catch(() => undefined);
  }

  output(bytes: Uint8Array): boolean {
    if (this.#outcome !== undefined) return true;
    this.#outputBytes += bytes.length;
    return this.#keep('output', bytes);
  }

  stderr(bytes: Uint8Array): boolean {
    if (this.#outcome !== undefined) return true;
    this.#stderrBytes += bytes.length;
    return this.#keep('stderr', bytes);
  }

  resize(columns: number, rows: number): void {
    this.#size = encodeSize(columns, rows);
    this.#add('resize', this.#size);
  }

  event(name: string, fields: Readonly<Record<string, unknown>>): boolean {
    const data = Buffer.from(JSON.stringify({ name, fields }));
    const fits = data.length <= MAX_EVENT_BYTES;
    const isLost = this.#outcome === undefined && this.#writer.unwritten > MAX_UNWRITTEN;
    if (isLost) this.#overflowed();
    else this.#add('event', fits ? data : Buffer.from(JSON.stringify({ name, fields: { truncated: true } })));
    return this.#writer.unwritten < HIGH_WATER;
  }

  drained(): Promise<void> {
    return this.#writer.drained();
  }

  flush(): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    this.#seal();
    return this.#writer.sync();
  }

  end(outcome: SessionOutcome): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    if (this.#ending !== undefined) return this.#ending;
    this.#ending = new Promise((resolve, reject) => {
      this.#settleEnd = (error) => (error === undefined ? resolve() : reject(error));
    });
    this.#ending.catch(() => undefined);
    this.#finish(fitOutcome(outcome));
    // Trying goes on, but the session has done what it can.
    if (this.#writer.isStuck) this.#settleEnd();
    return this.#ending;
  }

  #keep(type: 'output' | 'stderr', bytes: Uint8Array): boolean {
    let kept = bytes;
    if (this.#isExcerpt) {
      kept = bytes.subarray(0, this.#excerptLeft);
      this.#excerptLeft -= kept.length;
      this.#omit(bytes.length - kept.length);
      if (kept.length === 0) return true;
    }
    if (this.#writer.isStuck) {
      this.#omit(kept.length);
      return true;
    }
    if (this.#writer.unwritten > MAX_UNWRITTEN) {
      this.#omit(kept.length);
      this.#overflowed();
      return false;
    }
    const at = this.#time.now();
    if (!this.#isExcerpt) this.#tellGap(at);
    for (let done = 0; done < kept.length;) {
      const block = this.#blockFor(at);
      const piece = kept.subarray(done, done + block.room);
      block.add(type, at, piece);
      block.outputBytes += piece.length;
      done += piece.length;
      if (block.isFull) this.#seal();
    }
    return this.#writer.unwritten < HIGH_WATER;
  }

  #omit(bytes: number): void {
    this.#omittedBytes += bytes;
    this.#gapBytes += bytes;
  }

  #overflowed(): void {
    const error = new GatehouseError('LIMIT_EXCEEDED', 'recording: the session did not wait for the disk');
    this.#tell(error);
    if (this.#isStrict) this.#giveUp(error);
  }

  #tellGap(at: number): void {
    if (this.#gapBytes === 0) return;
    const block = this.#blockFor(at);
    block.add('gap', at, Buffer.from(JSON.stringify({ omitted_bytes: this.#gapBytes })));
    block.gapBytes += this.#gapBytes;
    this.#gapBytes = 0;
    if (this.#size !== undefined) block.add('resize', at, this.#size);
  }

  #add(type: 'resize' | 'event', data: Uint8Array): void {
    if (this.#outcome !== undefined || this.#writer.isStuck) return;
    if (this.#writer.unwritten > MAX_UNWRITTEN) return;
    const at = this.#time.now();
    const block = this.#blockFor(at);
    block.add(type, at, data);
    if (block.isFull) this.#seal();
  }

  #blockFor(at: number): BlockBuilder {
    if (this.#block?.isFull === true) this.#seal();
    if (this.#block !== undefined) return this.#block;
    const { clock } = this.#options;
    const block = new BlockBuilder(at, this.#writer.takeSpare());
    if (this.#start === 'missing') {
      block.add('start', at, this.#meta);
      this.#start = 'queued';
    }
    this.#block = block;
    this.#timer = clock.after(this.#isExcerpt ? EXCERPT_AGE_MS : BLOCK_AGE_MS, () => this.#seal());
    return block;
  }

  /** The block that was being filled, if any; the next frame begins another. */
  #takeBlock(): BlockBuilder | undefined {
    const block = this.#block;
    this.#block = undefined;
    this.#timer?.cancel();
    this.#timer = undefined;
    return block;
  }

  #seal(): void {
    const block = this.#takeBlock();
    if (block !== undefined) this.#writer.push(block);
  }

  #finish(outcome: SessionOutcome): void {
    this.#outcome = outcome;
    this.#writer.finish((segments) => this.#lastBlock(segments));
  }

  #lastBlock(segments: number): BlockBuilder {
    const at = this.#time.now();
    this.#tellGap(at);
    const block = this.#block ?? this.#blockFor(at);
    this.#takeBlock();
    const end: RecordingEnd = {
      ...this.#outcome,
      reason: this.#failure === undefined ? 'closed' : 'failed',
      ended_at: timestampOf(this.#options.clock.now()),
      segments,
      output_bytes: this.#outputBytes,
      stderr_bytes: this.#stderrBytes,
      omitted_bytes: this.#omittedBytes,
    };
    block.add('end', at, Buffer.from(JSON.stringify(end)));
    return block;
  }

  #trouble(error: GatehouseError, lost: readonly BlockBuilder[]): void {
    const current = this.#takeBlock();
    for (const block of current === undefined ? lost : [...lost, current]) {
      this.#omit(block.outputBytes);
      this.#gapBytes += block.gapBytes;
    }
    if (this.#start === 'queued') this.#start = 'missing';
    this.#tell(error);
    if (this.#isStrict) this.#giveUp(error);
    else this.#settleEnd();
  }

  #tell(error: GatehouseError): void {
    const now = this.#options.clock.now();
    if (this.#toldAt !== undefined && now - this.#toldAt < TELL_EVERY_MS && now >= this.#toldAt) return;
    this.#toldAt = now;
    const { code, message: reason } = error;
    this.#options.spool.report({ session: this.#options.sessionId, step: 'write', code, reason });
  }

  /** Strict: the session ends now. The end of its recording is written as soon as that is possible. */
  #giveUp(error: GatehouseError): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    this.#fail(error);
    this.#settleEnd(error);
    this.#finish(this.#outcome ?? {});
  }
}
