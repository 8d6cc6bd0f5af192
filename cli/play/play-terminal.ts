// Plays a recording on a terminal in its own time. Keys pause, seek and end it; whatever was printed, the terminal is
// afterwards as it was.
import { openPlayback, type FrameSource, type Playback } from '#recordings/playback/player.ts';
import type { RecordingSource } from '#recordings/source.ts';
import type { Io } from '../io.ts';
import { openLocalStreams } from '../ssh/session/local-streams.ts';
import { takeTerminal } from '../ssh/session/terminal.ts';
import { playCommands, type PlayCommand } from './keys.ts';
import { ScreenFilter } from './screen-filter.ts';

export interface PlayOptions {
  readonly io: Io;
  readonly source: RecordingSource | FrameSource;
  readonly speed: number;
  /** No wait is longer. */
  readonly maxIdleMs: number | undefined;
  readonly fromMs: number;
  readonly onFinding: (message: string) => void;
}

const SEEK_MS = 10_000;
const MAX_SPEED = 64;
const MIN_SPEED = 0.25;
const CLEAR = '\u001b[0m\u001b[2J\u001b[3J\u001b[H';

/** Resolves at the end, or when the person has had enough. Rejects as reading does; the terminal is as before. */
export async function playOnTerminal(options: PlayOptions): Promise<void> {
  const { io, source, maxIdleMs, fromMs, onFinding } = options;
  const found: string[] = [];
  const playback = openPlayback(source, {
    clock: io.clock,
    speed: options.speed,
    fromMs,
    ...(maxIdleMs === undefined ? {} : { maxIdleMs }),
    // Told at the end: in between it would be part of the picture.
    onFinding: ({ message }) => void found.push(message),
  });
  const release = holdProcess();
  const terminal = takeTerminal(io);
  const input = terminal === undefined ? undefined : openLocalStreams(io).input;
  let speed = options.speed;
  input?.start(
    (bytes) => {
      for (const command of playCommands(Buffer.from(bytes).toString('utf8')))
        speed = obey(playback, command, speed);
    },
    () => playback.close(),
  );
  const screen = { filter: new ScreenFilter() };
  try {
    await show(playback, io, screen);
  } finally {
    io.stdout.write(`${screen.filter.reset()}\r\n`);
    input?.close();
    terminal?.restore();
    release();
    for (const message of found) onFinding(message);
  }
}

async function show(playback: Playback, io: Io, screen: { filter: ScreenFilter }): Promise<void> {
  for await (const frame of playback.frames()) {
    if (frame.type === 'output' || frame.type === 'stderr') io.stdout.write(screen.filter.push(frame.bytes));
    else if (frame.type === 'reset') {
      io.stdout.write(screen.filter.reset() + CLEAR);
      screen.filter = new ScreenFilter();
    } else if (frame.type === 'gap') {
      io.stdout.write(`\r\n\u001b[0m[${frame.omittedBytes} bytes were not recorded]\r\n`);
    }
  }
}

/** Returns the speed from now on. */
function obey(playback: Playback, command: PlayCommand, speed: number): number {
  switch (command) {
    case 'pause':
      if (playback.isPaused()) playback.resume();
      else playback.pause();
      return speed;
    case 'forward':
      playback.seek(playback.position() + SEEK_MS);
      return speed;
    case 'back':
      playback.seek(Math.max(0, playback.position() - SEEK_MS));
      return speed;
    case 'faster':
    case 'slower': {
      const next = Math.min(MAX_SPEED, Math.max(MIN_SPEED, command === 'faster' ? speed * 2 : speed / 2));
      playback.setSpeed(next);
      return next;
    }
    case 'quit':
      playback.close();
      return speed;
  }
}

/** Waits of the clock do not keep a process alive, and there may be nothing else. */
function holdProcess(): () => void {
  const { port1, port2 } = new MessageChannel();
  port1.ref();
  return () => {
    port1.close();
    port2.close();
  };
}
