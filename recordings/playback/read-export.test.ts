import { describe, expect, test } from 'vitest';
import type { Frame } from '../format/frames.ts';
import { readRecording } from '../read.ts';
import { memorySource, sampleSegments, sessionId } from '../conformance/samples.ts';
import { exportRecording } from './export.ts';
import { readExport } from './read-export.ts';

const SESSION = sessionId(1);

async function read(text: string, size = 7): Promise<Frame[]> {
  async function* pieces(): AsyncGenerator<Uint8Array> {
    const bytes = Buffer.from(text);
    for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
  }
  const frames: Frame[] = [];
  for await (const frame of readExport(pieces())) frames.push(frame);
  return frames;
}

describe('exports read back', () => {
  test('ok: JSON gives the frames of the recording', async () => {
    const output = [
      { at: 10, output: 'hello\r\n' },
      { at: 2000, output: 'ünï\r\n' },
    ];
    const source = memorySource(SESSION, await sampleSegments({ session: SESSION, segments: [[output]] }));
    let text = '';
    for await (const part of exportRecording(source, 'json')) text += String(part);
    const original: Frame[] = [];
    for await (const frame of readRecording(source))
      original.push('bytes' in frame ? { ...frame, bytes: Buffer.from(frame.bytes) } : frame);
    expect(await read(text)).toEqual(original);
  });

  test('ok: asciicast', async () => {
    const cast =
      '{"version":2,"width":80,"height":25}\n[0.5,"o","hi"]\n[0.6,"i","x"]\n[1,"r","100x30"]\n[2,"m","mark"]';
    expect(await read(cast)).toEqual([
      { at: 500, type: 'output', bytes: Buffer.from('hi') },
      { at: 1000, type: 'resize', columns: 100, rows: 30 },
    ]);
  });

  test.each([
    ['nothing', '', /empty/],
    ['text', 'hello\n', /line 1 of the recording: it is not JSON/],
    ['other JSON', '{"a":1}\n', /no frame/],
    ['a broken line', '{"at":1,"type":"resize","columns":1,"rows":1}\n{', /line 2/],
    ['a time before the start', '{"at":-1,"type":"output","bytes":""}\n', /no frame/],
  ])('refuses: %s', async (_, text, message) => {
    await expect(read(text)).rejects.toThrow(message);
  });

  test('S33 refuses: a line without end', async () => {
    await expect(read('x'.repeat(17 * 1024 * 1024), 1024 * 1024)).rejects.toMatchObject({
      code: 'TOO_LARGE',
    });
  });
});
