// Plays a recording in its own time: each frame when it is due, faster or slower, without long waits, from any point.
// What is done with a frame (a terminal, a web page) is the caller's business, and so is whether it may be shown.
import type { Clock } from '#core/clock.ts';
import type { Frame } from '../format/frames.ts';
import { readRecording, type Finding, type ReadOptions } from '../read.ts';
import type { RecordingSource } from '../source.ts';
import { showQueries } from './queries.ts';

const MIN_SPEED = 0.1;
const MAX_SPEED = 100;

export interface PlaybackOptions {
  readonly clock: Clock;
  /** 1 is the time in which it happened; 0.1 to 100. */
  readonly speed?: number;
  /** No wait is longer than this many milliseconds of the recording. */
  readonly maxIdleMs?: number;
  /** Where to begin; what comes before is played at once, because a terminal needs it. */
  readonly fromMs?: number;
  readonly onFinding?: (finding: Finding) => void;
}

/** `reset`: played again from the beginning, as somebody went back. Clear the screen. */
export type Played = Frame | { readonly type: 'reset' };

export interface Playback {
  /** To be read once. Ends with the recording or after `close`. Bytes are valid until the next frame is asked for. */
  frames(): AsyncGenerator<Played>;
  /** Milliseconds since the start of the session. */
  position(): number;
  pause(): void;
  resume(): void;
  isPaused(): boolean;
  setSpeed(speed: number): void;
  /** Forth or back; stays within the recording. */
  seek(toMs: number): void;
  close(): void;
}

/** Frames that do not come from segments, such as those of an export. Read anew each time somebody goes back. */
export interface FrameSource {
  frames(): AsyncIterable<Frame>;
}

/** Opens nothing before frames are read. */
export function openPlayback(source: RecordingSource | FrameSource, options: PlaybackOptions): Playback {
  return new Player(source, options);
}

class Player implements Playback {
  readonly #source: RecordingSource | FrameSource;
  readonly #options: PlaybackOptions;
  #speed: number;
  #isPaused = false;
  #isClosed = false;
  #isRestartDue = false;
  /** Up to here frames are played at once. */
  #target: number;
  /** The moment of the clock that belongs to a position of the recording. */
  #anchor = { time: 0, at: 0 };
  #last = 0;
  #wake: () => void = () => undefined;

  constructor(source: RecordingSource | FrameSource, options: PlaybackOptions) {
    this.#source = source;
    this.#options = options;
    this.#speed = boundSpeed(options.speed ?? 1);
    this.#target = options.fromMs ?? 0;
  }

  async *frames(): AsyncGenerator<Played> {
    const { onFinding } = this.#options;
    const told = onFinding === undefined ? {} : { onFinding };
    for (let isFirst = true; isFirst || this.#isRestartDue; isFirst = false) {
      if (this.#isRestartDue) yield { type: 'reset' };
      this.#isRestartDue = false;
      this.#last = 0;
      this.#moveTo(0);
      // Findings are the same each time.
      for await (const frame of showQueries(framesOf(this.#source, isFirst ? told : {}))) {
        await this.#until(frame.at);
        if (this.#isClosed || this.#isRestartDue) break;
        this.#last = Math.max(this.#last, frame.at);
        yield frame;
      }
      if (this.#isClosed) return;
    }
  }

  /** Resolves when the position `at` is reached, or when something else is to be done. */
  async #until(at: number): Promise<void> {
    while (!this.#isClosed && !this.#isRestartDue) {
      if (at <= this.#target) {
        // Time goes on from where somebody wanted to be, not from the last frame before.
        this.#moveTo(this.#target);
        return;
      }
      if (!this.#isPaused) {
        this.#skipIdle(at);
        const leftMs = (at - this.position()) / this.#speed;
        if (leftMs <= 0) return;
        await this.#wait(leftMs);
      } else {
        await this.#wait(undefined);
      }
    }
  }

  #skipIdle(at: number): void {
    const { maxIdleMs } = this.#options;
    if (maxIdleMs !== undefined && at - maxIdleMs > this.#last && at - maxIdleMs > this.position())
      this.#moveTo(at - maxIdleMs);
  }

  #wait(ms: number | undefined): Promise<void> {
    return new Promise((resolve) => {
      const timer = ms === undefined ? undefined : this.#options.clock.after(ms, resolve);
      this.#wake = () => {
        timer?.cancel();
        resolve();
      };
    });
  }

  #moveTo(at: number): void {
    this.#anchor = { time: this.#options.clock.now(), at };
  }

  position(): number {
    const { time, at } = this.#anchor;
    return this.#isPaused ? at : at + (this.#options.clock.now() - time) * this.#speed;
  }

  pause(): void {
    this.#moveTo(this.position());
    this.#isPaused = true;
    this.#wake();
  }

  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#moveTo(this.#anchor.at);
    this.#wake();
  }

  isPaused(): boolean {
    return this.#isPaused;
  }

  setSpeed(speed: number): void {
    this.#moveTo(this.position());
    this.#speed = boundSpeed(speed);
    this.#wake();
  }

  seek(toMs: number): void {
    const target = Math.max(0, toMs);
    this.#isRestartDue ||= target < this.#last;
    this.#target = target;
    if (!this.#isRestartDue) this.#moveTo(target);
    this.#wake();
  }

  close(): void {
    this.#isClosed = true;
    this.#wake();
  }
}

function framesOf(source: RecordingSource | FrameSource, options: ReadOptions): AsyncIterable<Frame> {
  return 'frames' in source ? source.frames() : readRecording(source, options);
}

function boundSpeed(speed: number): number {
  return Math.min(MAX_SPEED, Math.max(MIN_SPEED, speed));
}
