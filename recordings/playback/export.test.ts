import { describe, expect, test } from 'vitest';
import { FACTS, memorySource, sampleSegments, sessionId, type SampleFrame } from '../conformance/samples.ts';
import { EXPORT_FORMATS, exportRecording, playAsJson, type ExportFormat } from './export.ts';

const SESSION = sessionId(1);
const FRAMES: readonly SampleFrame[] = [
  { at: 0, event: 'session.start', fields: { user: 'alice', size: '80:25' } },
  { at: 100, output: '\u001b[32m$ \u001b[0m' },
  { at: 1500, output: Buffer.from('ž', 'utf8').subarray(0, 1) },
  { at: 1600, output: Buffer.from('ž\r\n', 'utf8').subarray(1) },
  { at: 2000, resize: [120, 40] },
  { at: 2500, output: 'done' },
];

async function exported(format: ExportFormat, pieceBytes = 64): Promise<string> {
  const segments = await sampleSegments({
    session: SESSION,
    segments: [[FRAMES.slice(0, 3)], [FRAMES.slice(3)]],
    meta: { term: 'xterm-256color' },
  });
  const pieces: Buffer[] = [];
  for await (const piece of exportRecording(memorySource(SESSION, segments, pieceBytes), format))
    pieces.push(Buffer.from(piece as string));
  return Buffer.concat(pieces).toString('utf8');
}

const lines = (text: string): unknown[] =>
  text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as unknown);

describe('exports', () => {
  test('ok: text, as it stood on the screen', async () => {
    expect(await exported('text')).toBe('$ ž\ndone\n');
  });

  test('ok: bytes, as they were printed', async () => {
    expect(await exported('bytes')).toBe('\u001b[32m$ \u001b[0mž\r\ndone');
  });

  test('ok: the events of the session, as the audit log has them', async () => {
    expect(lines(await exported('events'))).toEqual([
      { event: 'session.start', time: '2026-03-01T10:00:00Z', sid: SESSION, user: 'alice', size: '80:25' },
    ]);
  });

  test('ok: asciicast v2, letters whole', async () => {
    const [header, ...entries] = lines(await exported('asciicast'));
    expect(header).toEqual({
      version: 2,
      width: 80,
      height: 25,
      timestamp: Date.parse('2026-03-01T10:00:00Z') / 1000,
      title: `${FACTS.login}@${FACTS.server_hostname}`,
      env: { TERM: 'xterm-256color' },
    });
    expect(entries).toEqual([
      [0, 'm', 'session.start'],
      [0.1, 'o', '\u001b[32m$ \u001b[0m'],
      [1.6, 'o', 'ž\r\n'],
      [2, 'r', '120x40'],
      [2.5, 'o', 'done'],
    ]);
  });

  test('ok: json, every frame', async () => {
    const frames = lines(await exported('json')) as { type: string; at: number; bytes?: string }[];
    expect(frames.map(({ type, at }) => `${type} ${at}`)).toEqual([
      'start 0',
      'event 0',
      'output 100',
      'output 1500',
      'output 1600',
      'resize 2000',
      'output 2500',
      'end 2500',
    ]);
    expect(Buffer.from(frames[6]?.bytes ?? '', 'base64').toString()).toBe('done');
  });

  test.each(Object.keys(EXPORT_FORMATS) as ExportFormat[])(
    'ok: %s of a recording whose start is lost',
    async (format) => {
      const segments = await sampleSegments({
        session: SESSION,
        segments: [[FRAMES], [[{ at: 9000, output: 'rest' }]]],
      });
      const findings: string[] = [];
      const source = memorySource(SESSION, [undefined, segments[1]]);
      let text = '';
      for await (const piece of exportRecording(source, format, {
        onFinding: ({ kind }) => findings.push(kind),
      }))
        text += Buffer.from(piece as string).toString();
      expect(findings).toEqual(['missing']);
      if (format === 'text' || format === 'bytes') expect(text.trim()).toBe('rest');
    },
  );
});

describe('sessions of databases', () => {
  const QUERY = {
    db_query: "select '\u001b[2J',\n 2 from t where id = $1",
    db_query_parameters: ['7'],
    success: true,
  };
  const EVENTS: readonly SampleFrame[] = [
    { at: 0, event: 'db.session.start', fields: { user: 'alice', code: 'TDB00I' } },
    { at: 100, event: 'db.session.query', fields: QUERY },
    { at: 120, event: 'db.session.result', fields: { success: true, command: 'SELECT 3', duration_ms: 20 } },
    {
      at: 200,
      event: 'db.session.result',
      fields: { success: false, error: '42P01: no table', duration_ms: 1 },
    },
  ];
  const source = async (kind: 'database' | 'interactive') => {
    const meta = { kind, db_name: 'shop' };
    return memorySource(SESSION, await sampleSegments({ session: SESSION, segments: [[EVENTS]], meta }), 64);
  };
  const collect = async (parts: AsyncIterable<string | Uint8Array>): Promise<string> => {
    const pieces: Buffer[] = [];
    for await (const part of parts) pieces.push(Buffer.from(part as string));
    return Buffer.concat(pieces).toString('utf8');
  };

  test('ok: text shows queries, values and results, and nothing that a terminal would act on', async () => {
    expect(await collect(exportRecording(await source('database'), 'text'))).toBe(
      "shop=> select ' [2J',\n 2 from t where id = $1\n  $1 = 7\nSELECT 3 (20 ms)\nERROR 42P01: no table (1 ms)\n",
    );
  });

  test('ok: for gate play json is their events; frames for other sessions', async () => {
    const printed = lines(await collect(playAsJson(await source('database'))));
    expect(printed.map((line) => (line as { event: string }).event)).toEqual([
      'db.session.start',
      'db.session.query',
      'db.session.result',
      'db.session.result',
    ]);
    expect(printed[1]).toEqual({
      event: 'db.session.query',
      time: '2026-03-01T10:00:00.100Z',
      sid: SESSION,
      ...QUERY,
    });
    const frames = lines(await collect(playAsJson(await source('interactive'))));
    expect(frames[0]).toMatchObject({ type: 'start' });
  });
});
