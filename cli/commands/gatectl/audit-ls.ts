// `gatectl audit ls`: events of the audit log, newest first.
import { searchEvents } from '#core/api/audit.ts';
import { isPlainObject } from '#core/schema/check.ts';
import type { Infer } from '#core/schema/schema.ts';
import * as flag from '../../arguments.ts';
import { command } from '../../arguments.ts';
import type { Gatectl } from './context.ts';
import { timeOf, TIMES_SAY } from './time-flags.ts';

const PAGE = 1000;
/** Shown in columns of their own, or of no use to eyes. */
const SHOWN = ['time', 'event', 'code', 'user', 'uid', 'ei', 'cluster_name', 'writer', 'seq', 'prev', 'hash'];

export const auditLs = command({
  about: TIMES_SAY,
  flags: {
    from: flag.text({ says: 'Not before.', value: 'TIME' }),
    to: flag.text({ says: 'Not after.', value: 'TIME' }),
    type: flag.list({ says: 'Types of events, such as user.login.' }),
    user: flag.text({ says: 'Events of this user.', value: 'USER' }),
    search: flag.text({ says: 'Events that hold this text.' }),
    limit: flag.integer(100, { says: 'At most so many.', min: 1, max: 1_000_000 }),
    oldest: flag.toggle({ says: 'Oldest first.' }),
  },
  examples: [
    'gatectl audit ls --from=24h',
    'gatectl audit ls --type=user.login --user=joe',
    'gatectl audit ls --from=2026-01-01 --to=2026-02-01 --format=json --limit=10000',
  ],
  async run(context: Gatectl, { flags }) {
    const query = {
      ...timeOf('from', flags.from, context.now()),
      ...timeOf('to', flags.to, context.now()),
      ...(flags.type === undefined ? {} : { types: flags.type.join(',') }),
      ...(flags.user === undefined ? {} : { user: flags.user }),
      ...(flags.search === undefined ? {} : { search: flags.search }),
      order: flags.oldest ? 'oldest' : 'newest',
    } as const;
    const events = await search(context, query, flags.limit);
    await context.out.show(events, () =>
      context.out.table(['Time', 'Event', 'User', 'Details'], events.map(rowOf)),
    );
  },
});

type Event = Readonly<Record<string, unknown>>;
type Query = Omit<Infer<typeof searchEvents.request>, 'limit' | 'cursor'>;

async function search(context: Gatectl, query: Query, limit: number): Promise<Event[]> {
  const api = await context.api();
  const events: Event[] = [];
  let cursor: string | undefined;
  do {
    const page = await api.call(searchEvents, {
      ...query,
      limit: Math.min(PAGE, limit - events.length),
      ...(cursor === undefined ? {} : { cursor }),
    });
    events.push(...page.events.filter(isPlainObject));
    cursor = page.cursor;
  } while (cursor !== undefined && events.length < limit);
  return events.slice(0, limit);
}

function rowOf(event: Event): string[] {
  const details = Object.entries(event)
    .filter(([name]) => !SHOWN.includes(name))
    .map(([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`);
  return [...['time', 'event', 'user'].map((name) => textOf(event[name])), details.join(' ')];
}

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');
