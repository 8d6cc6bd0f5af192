import { describe, expect, test } from 'vitest';
import {
  memorySource,
  printed,
  sampleSegments,
  sessionId,
  threeSegments,
  type SampleOptions,
} from './conformance/samples.ts';
import { sha256 } from './format/segment.ts';
import { readRecording, type Finding } from './read.ts';
import { verifyRecording } from './verify.ts';

const SESSION = sessionId(1);
type Segments = readonly (Buffer | undefined)[];

async function look(
  segments: Segments,
  head?: string,
): Promise<{ text: string; findings: Finding[]; ok: boolean }> {
  const source = memorySource(SESSION, segments, 100);
  const { ok, findings } = await verifyRecording(source, head === undefined ? {} : { head });
  return { text: await printed(readRecording(source)), findings: [...findings], ok };
}

const kinds = (findings: readonly Finding[]): string[] =>
  findings.map(({ kind, segment }) => `${kind} ${segment}`);

function changed(segment: Buffer, at: number): Buffer {
  const copy = Buffer.from(segment);
  copy[at < 0 ? copy.length + at : at]! ^= 0x10;
  return copy;
}

async function three(): Promise<[Buffer, Buffer, Buffer]> {
  return (await threeSegments(SESSION)) as [Buffer, Buffer, Buffer];
}

describe('verifying', () => {
  test('ok: a recording as it was made', async () => {
    const segments = await three();
    const report = await verifyRecording(memorySource(SESSION, segments), { head: sha256(segments[2]) });
    expect(report).toMatchObject({
      ok: true,
      findings: [],
      segments: 3,
      durationMs: 2000,
      bytes: segments.reduce((sum, { length }) => sum + length, 0),
      head: sha256(segments[2]),
      meta: { user: 'alice' },
      end: { reason: 'closed' },
    });
  });

  test.each([
    [0, 'two\r\nthree\r\n', ['missing 1']],
    [1, 'one\r\nthree\r\n', ['missing 2']],
    [2, 'one\r\ntwo\r\n', ['truncated 2']],
  ])('refuses: without segment %i + 1, and shows the others', async (gone, text, expected) => {
    const segments: (Buffer | undefined)[] = await three();
    segments[gone] = undefined;
    const seen = await look(segments);
    expect(seen.text).toBe(text);
    expect(kinds(seen.findings)).toEqual(expected);
  });

  test('refuses: R22 any changed byte in any segment, and shows what is whole', async () => {
    const segments = await three();
    for (const [index, segment] of segments.entries()) {
      for (let at = 0; at < segment.length; at += 7) {
        const copy: Segments = segments.map((other, n) => (n === index ? changed(other, at) : other));
        const seen = await look(copy, sha256(segments[2]));
        expect(seen.ok, `segment ${index + 1}, byte ${at}`).toBe(false);
        const others = ['one\r\n', 'two\r\n', 'three\r\n'].filter((_, n) => n !== index);
        for (const other of others) expect(seen.text).toContain(other);
      }
    }
  });

  test('refuses: segments in another order', async () => {
    const [one, two, three_] = await three();
    const seen = await look([one, three_, two]);
    expect(kinds(seen.findings)).toEqual(['misplaced 2', 'misplaced 3', 'truncated 3']);
    expect(seen.text).toBe('one\r\n');
  });

  test('refuses: a segment of another session', async () => {
    const [one, , three_] = await three();
    const [, foreign] = await threeSegments(sessionId(2));
    const seen = await look([one, foreign, three_]);
    expect(kinds(seen.findings)).toEqual(['misplaced 2', 'changed 2']);
    expect(seen.text).toBe('one\r\nthree\r\n');
  });

  test('refuses: a segment that was made anew, with checksums that are right', async () => {
    const [one, , three_] = await three();
    const words = ['one\r\n', 'rm -rf\r\n', 'three\r\n'];
    const [, forged] = await sampleSegments({
      session: SESSION,
      segments: words.map((output, at) => [[{ at: at * 1000, output }]]),
    });
    expect(kinds((await look([one, forged, three_])).findings)).toEqual(['changed 2']);
  });

  test('refuses: a recording that was made anew as a whole, by the head that the audit log remembers', async () => {
    const segments = await three();
    const forged = await threeSegments(SESSION, { user: 'bob' });
    expect((await look(forged)).ok).toBe(true);
    expect(kinds((await look(forged, sha256(segments[2]))).findings)).toEqual(['changed 3']);
  });

  test('refuses: what comes after the end', async () => {
    const segments = await three();
    const more = await sampleSegments({
      session: SESSION,
      segments: ['one\r\n', 'two\r\n', 'three\r\n', 'four'].map((output) => [[{ at: 0, output }]]),
    });
    const seen = await look([...segments, more[3]]);
    expect(kinds(seen.findings)).toContain('surplus 4');
    expect(seen.text).toContain('four');
  });

  test('refuses: a tail that was cut, or an end that names more segments', async () => {
    const segments = await three();
    const cut = segments.map((segment, n) => (n === 2 ? segment.subarray(0, segment.length - 10) : segment));
    expect(kinds((await look(cut)).findings)).toEqual(['damaged 3', 'truncated 3']);
    const options: SampleOptions = {
      session: SESSION,
      segments: [[[{ at: 0, output: 'x' }]]],
      end: { segments: 9 },
    };
    expect(kinds((await look(await sampleSegments(options))).findings)).toEqual(['missing 2']);
  });

  test('ok: S33 thousands of findings are counted and not kept', async () => {
    const blocks = Array.from({ length: 3000 }, (_, at) => [{ at, output: 'x' }]);
    const [segment] = await sampleSegments({ session: SESSION, segments: [blocks] });
    const noisy = Buffer.from(segment!);
    for (let at = noisy.indexOf('x'); at !== -1; at = noisy.indexOf('x', at + 1)) noisy[at] = 0x79;
    const report = await verifyRecording(memorySource(SESSION, [noisy]));
    expect(report.findings).toHaveLength(1000);
    expect(report.findingCount).toBeGreaterThan(2900);
  });
});
