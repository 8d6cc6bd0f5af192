import { describe, expect, test } from 'vitest';
import * as fc from 'fast-check';
import { FACTS, sessionId, START } from '../conformance/samples.ts';
import { encodeSize, readFrames, writeFrame, type FrameType } from './frames.ts';

interface Raw {
  readonly type: FrameType;
  readonly deltaMs: number;
  readonly data: Uint8Array;
}

function blockOf(frames: readonly Raw[]): Buffer {
  const block = Buffer.alloc(frames.reduce((sum, { data }) => sum + data.length + 13, 0));
  let end = 0;
  for (const frame of frames) end = writeFrame(block, end, frame);
  return block.subarray(0, end);
}

const json = (type: FrameType, value: unknown): Raw => ({
  type,
  deltaMs: 0,
  data: Buffer.from(JSON.stringify(value)),
});

const META = { ...FACTS, sid: sessionId(1), kind: 'interactive', started_at: START };
const END = { reason: 'closed', ended_at: START, segments: 3, output_bytes: 9, participants: ['alice'] };

describe('reading frames', () => {
  test('ok: any output at any time comes back as it was', () => {
    const frame = fc.record({
      type: fc.constantFrom('output' as const, 'stderr' as const),
      deltaMs: fc.oneof(
        fc.nat(300),
        fc.maxSafeNat().map((n) => n % 2 ** 40),
      ),
      data: fc.uint8Array({ maxLength: 300 }),
    });
    fc.assert(
      fc.property(fc.array(frame, { maxLength: 20 }), fc.nat(1e9), (frames, at) => {
        const read = [...readFrames(blockOf(frames), at)];
        let now = at;
        expect(read.map((each) => ({ ...each, bytes: 'bytes' in each ? [...each.bytes] : [] }))).toEqual(
          frames.map(({ type, deltaMs, data }) => ({ type, at: (now += deltaMs), bytes: [...data] })),
        );
      }),
    );
  });

  test('ok: each type with its content', () => {
    const block = blockOf([
      json('start', META),
      { type: 'resize', deltaMs: 5, data: encodeSize(100_000, 40) },
      json('event', { name: 'port', fields: { dst_port: 80 } }),
      json('gap', { omitted_bytes: 12 }),
      json('end', END),
    ]);
    expect([...readFrames(block, 100)]).toEqual([
      { type: 'start', at: 100, meta: META },
      { type: 'resize', at: 105, columns: 65535, rows: 40 },
      { type: 'event', at: 105, name: 'port', fields: { dst_port: 80 } },
      { type: 'gap', at: 105, omittedBytes: 12 },
      { type: 'end', at: 105, end: END },
    ]);
  });

  test('ok: what a later version adds is passed over', () => {
    const block = blockOf([
      json('start', { ...META, colour: 'red' }),
      { type: 'output', deltaMs: 1, data: Buffer.from('a') },
      { type: 'output', deltaMs: 1, data: Buffer.from('b') },
    ]);
    block[block.length - 8] = 99;
    expect([...readFrames(block, 0)].map(({ type }) => type)).toEqual(['start', 'output']);
  });

  test.each([
    ['a time that is cut off', Buffer.from([2, 0x80])],
    ['a time that never ends', Buffer.from([2, ...Array.from({ length: 20 }, () => 0xff)])],
    ['S33 a length beyond the block', Buffer.from([2, 0, 0xff, 0xff, 0xff, 0x7f, 1])],
    ['a size of three bytes', Buffer.from([5, 0, 3, 1, 2, 3])],
    ['a start that is no JSON', Buffer.from([1, 0, 1, 0x7b])],
    ['a start without a user', blockOf([json('start', { ...META, user: undefined })])],
    ['a start for a session that is a path', blockOf([json('start', { ...META, sid: '../a' })])],
    ['an end of no segments', blockOf([json('end', { ...END, segments: 0 })])],
    ['an event without a name', blockOf([json('event', { fields: {} })])],
    ['an event whose fields are a list', blockOf([json('event', { name: 'a', fields: [] })])],
    ['a gap of no number', blockOf([json('gap', {})])],
  ])('refuses: %s, and keeps what was before it', (_, bytes) => {
    const good = blockOf([{ type: 'output', deltaMs: 0, data: Buffer.from('good') }]);
    const frames = readFrames(Buffer.concat([good, bytes]), 0);
    expect(frames.next().value).toMatchObject({ type: 'output' });
    expect(() => frames.next()).toThrow(expect.objectContaining({ code: 'CORRUPT' }));
  });
});
