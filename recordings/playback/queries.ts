// Sessions of databases as something to look at: they print nothing, so what is shown is made from their events: each query
// with the values bound to it, and what came of it.
import type { Frame } from '../format/frames.ts';

type Frames = AsyncIterable<Frame>;
type Fields = Readonly<Record<string, unknown>>;

/** Controls other than the end of a line and the tab would act on a terminal. */
const CONTROLS = /[^\P{Cc}\n\t]/gu;

/** The same frames; those of databases have output between them. */
export async function* showQueries(frames: Frames): AsyncGenerator<Frame> {
  let database: string | undefined;
  for await (const frame of frames) {
    yield frame;
    if (frame.type === 'start' && frame.meta.kind === 'database') database = frame.meta.db_name ?? '';
    if (frame.type !== 'event' || database === undefined) continue;
    const text = shown(frame.name, frame.fields, database);
    if (text === undefined) continue;
    const bytes = Buffer.from(`${text.replace(CONTROLS, ' ').trimEnd()}\n`.replaceAll('\n', '\r\n'));
    yield { type: 'output', at: frame.at, bytes };
  }
}

function shown(event: string, fields: Fields, database: string): string | undefined {
  switch (event) {
    case 'db.session.query':
    case 'db.session.postgres.function':
      return `${database}=> ${textOf(fields['db_query'])}${parameters(fields['db_query_parameters'])}`;
    case 'db.session.result':
      return result(fields);
    case 'db.session.malformed_packet':
      return `(${textOf(fields['error'])})`;
    default:
      return undefined;
  }
}

function parameters(values: unknown): string {
  if (!Array.isArray(values)) return '';
  return values.map((value, n) => `\n  $${n + 1} = ${textOf(value)}`).join('');
}

function result({ error, command, affected_rows: rows, duration_ms: ms }: Fields): string {
  const took = typeof ms === 'number' ? ` (${ms} ms)` : '';
  if (error !== undefined) return `ERROR ${textOf(error)}${took}`;
  return `${textOf(command ?? `${textOf(rows)} rows`)}${took}`;
}

const textOf = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value ?? ''));
