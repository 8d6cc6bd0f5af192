// Fuzz target: segments, blocks and frames as a store or a host sends them. A header that is read is written the same
// again, and no offset lies outside the input.
import { zstdCompressSync } from 'node:zlib';
import { isCode } from '#core/errors/error.ts';
import { readFrames, writeFrame } from './frames.ts';
import { encodeBlock, encodeHeader, NO_PREVIOUS, parseHeader } from './segment.ts';
import { SegmentReader, type SegmentPart } from './segment-reader.ts';

const SID = '00000000-0000-4000-8000-000000000001';
const header = encodeHeader({ sid: SID, number: 1, previous: NO_PREVIOUS });
const raw = Buffer.alloc(600);
const meta = {
  user: 'a',
  login: 'b',
  server_id: 'c',
  server_hostname: 'd',
  cluster_name: 'e',
  recorded_by: 'c',
  protocol: 'ssh',
  sid: SID,
  kind: 'exec',
  started_at: '2026-03-01T10:00:00Z',
};
const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));
let length = writeFrame(raw, 0, { type: 'start', deltaMs: 0, data: json(meta) });
length = writeFrame(raw, length, { type: 'output', deltaMs: 300, data: Buffer.from('hello\r\n') });
length = writeFrame(raw, length, {
  type: 'end',
  deltaMs: 1,
  data: json({ reason: 'closed', ended_at: '2026-03-01T10:00:00Z', segments: 1 }),
});
const frames = raw.subarray(0, length);
const about = { at: 0, rawLength: length } as const;

export const fuzz = {
  name: 'recording segment',
  seeds: [
    Buffer.concat([header, encodeBlock(frames, { ...about, encoding: 'stored' })]),
    Buffer.concat([header, encodeBlock(zstdCompressSync(frames), { ...about, encoding: 'zstd' })]),
    header,
  ].map((seed) => new Uint8Array(seed)),
  run(input: Uint8Array): void {
    const reader = new SegmentReader();
    const half = input.length >> 1;
    for (const piece of [input.subarray(0, half), input.subarray(half)])
      for (const part of reader.push(piece)) look(part, input);
    for (const part of reader.finish()) look(part, input);
    // Frames on their own: checksums would keep most inputs away from them.
    for (const frame of readFrames(Buffer.from(input.subarray(header.length + 28)), 0))
      if (frame.at < 0) throw new Error('time went backwards');
  },
};

function look(part: SegmentPart, input: Uint8Array): void {
  if (part.type === 'header') {
    const again = parseHeader(encodeHeader(part.header))?.header;
    if (JSON.stringify(again) !== JSON.stringify(part.header)) throw new Error('not written as it was read');
    return;
  }
  const end = part.type === 'block' ? part.end : part.offset + part.bytes;
  if (part.offset < 0 || end > input.length) throw new Error('outside the input');
  if (part.type === 'damage') return;
  try {
    for (const frame of readFrames(part.unpack(), part.at))
      if (frame.at < part.at) throw new Error('backwards');
  } catch (error) {
    if (!isCode(error, 'CORRUPT')) throw error;
  }
}
