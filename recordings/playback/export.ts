// A recording in the formats of other programs, piece by piece in bounded memory. Only `text` is safe to show on a
// terminal; the others carry what the session printed, for players and files.
import { TextDecoder } from 'node:util';
import { timestampOf } from '#core/timestamp.ts';
import type { Frame } from '../format/frames.ts';
import { readRecording, type ReadOptions } from '../read.ts';
import type { RecordingSource } from '../source.ts';
import { PlainText } from './plain-text.ts';
import { showQueries } from './queries.ts';

export const EXPORT_FORMATS = {
  text: 'Plain text, as it stood on the screen line by line; safe to print.',
  bytes: 'What the session printed, byte for byte (`<session>.session.bytes`).',
  events: 'The audit events of the session, one JSON object in each line (`<session>.session.log`).',
  asciicast: 'asciicast v2, for asciinema and players in web pages.',
  json: 'Every frame as a line of JSON; output in base64.',
} as const;

export type ExportFormat = keyof typeof EXPORT_FORMATS;

/** NOT_FOUND when there is no such recording. What is damaged is left out; `onFinding` tells. */
export function exportRecording(
  source: RecordingSource,
  format: ExportFormat,
  options: Pick<ReadOptions, 'onFinding'> = {},
): AsyncGenerator<string | Uint8Array> {
  const frames = readRecording(source, options);
  return format === 'events' ? events(frames, source.session) : exportFrames(frames, format);
}

/** For `gate play --format json`: the events of a database session, every frame of any other. As exportRecording. */
export async function* playAsJson(
  source: RecordingSource,
  options: Pick<ReadOptions, 'onFinding'> = {},
): AsyncGenerator<string | Uint8Array> {
  let isDatabase = false;
  for await (const first of readRecording(source)) {
    isDatabase = first.type === 'start' && first.meta.kind === 'database';
    break;
  }
  yield* exportRecording(source, isDatabase ? 'events' : 'json', options);
}

/** The same of frames that come from somewhere else. */
export function exportFrames(
  frames: AsyncIterable<Frame>,
  format: Exclude<ExportFormat, 'events'>,
): AsyncGenerator<string | Uint8Array> {
  switch (format) {
    case 'text':
      return text(showQueries(frames));
    case 'bytes':
      return bytes(showQueries(frames));
    case 'asciicast':
      return asciicast(showQueries(frames));
    case 'json':
      return jsonLines(frames);
  }
}

type Frames = AsyncIterable<Frame>;

async function* text(frames: Frames): AsyncGenerator<string> {
  const plain = new PlainText();
  for await (const frame of frames) {
    if (frame.type === 'output' || frame.type === 'stderr') {
      const lines = plain.push(frame.bytes);
      if (lines !== '') yield lines;
    } else if (frame.type === 'gap') {
      yield `${plain.finish()}[${frame.omittedBytes} bytes were not recorded]\n`;
    }
  }
  const rest = plain.finish();
  if (rest !== '') yield rest;
}

async function* bytes(frames: Frames): AsyncGenerator<Uint8Array> {
  for await (const frame of frames)
    if (frame.type === 'output' || frame.type === 'stderr') yield Uint8Array.from(frame.bytes);
}

async function* events(frames: Frames, sid: string): AsyncGenerator<string> {
  let started = 0;
  for await (const frame of frames) {
    if (frame.type === 'start') started = Date.parse(frame.meta.started_at);
    else if (frame.type === 'event') {
      const time = timestampOf(started + frame.at);
      yield `${JSON.stringify({ event: frame.name, time, sid, ...frame.fields })}\n`;
    }
  }
}

const DEFAULT_SIZE = { width: 80, height: 25 };

async function* asciicast(frames: Frames): AsyncGenerator<string> {
  const decoder = new TextDecoder('utf-8');
  let isBegun = false;
  const seconds = (at: number): number => at / 1000;
  for await (const frame of frames) {
    if (!isBegun) {
      isBegun = true;
      yield `${JSON.stringify(castHeader(frame))}\n`;
    }
    const entry = castEntry(frame, decoder);
    if (entry !== undefined) yield `${JSON.stringify([seconds(frame.at), ...entry])}\n`;
  }
}

function castHeader(first: Frame): object {
  if (first.type !== 'start') return { version: 2, ...DEFAULT_SIZE };
  const { meta } = first;
  const [, width, height] = /^(\d{1,5})[:x](\d{1,5})$/.exec(meta.size ?? '') ?? [];
  return {
    version: 2,
    width: Number(width ?? DEFAULT_SIZE.width),
    height: Number(height ?? DEFAULT_SIZE.height),
    timestamp: Math.floor(Date.parse(meta.started_at) / 1000),
    title: `${meta.login}@${meta.server_hostname}`,
    env: { TERM: meta.term ?? 'xterm' },
    ...(meta.command === undefined ? {} : { command: meta.command }),
  };
}

function castEntry(frame: Frame, decoder: TextDecoder): readonly [string, string] | undefined {
  switch (frame.type) {
    case 'output':
    case 'stderr': {
      const data = decoder.decode(frame.bytes, { stream: true });
      return data === '' ? undefined : ['o', data];
    }
    case 'resize':
      return ['r', `${frame.columns}x${frame.rows}`];
    case 'event':
      return ['m', frame.name];
    case 'gap':
      return ['m', `${frame.omittedBytes} bytes were not recorded`];
    default:
      return undefined;
  }
}

async function* jsonLines(frames: Frames): AsyncGenerator<string> {
  for await (const frame of frames) {
    const shown = 'bytes' in frame ? { ...frame, bytes: frame.bytes.toString('base64') } : frame;
    yield `${JSON.stringify(shown)}\n`;
  }
}
