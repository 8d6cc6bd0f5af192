// Which sessions use an account, as the comment on it says: kept in the database, because several agents may serve it. A
// mark counts while its session connects; then the list of backends shows it. Pure.

/** Sessions and when they asked for the account, seconds since the epoch by the clock of the database. */
export type Marks = ReadonlyMap<string, number>;

const PREFIX = 'gatehouse ';
/** Longer than it takes to connect. */
const FRESH_SECONDS = 60;
const MOST = 100;
const MAX_COMMENT = 16 * 1024;
const SESSION = /^[0-9a-f-]{36}$/;

/** Those that are still fresh; nothing for a comment that is not ours. */
export function readMarks(comment: string | null, now: number): Marks {
  if (comment === null || comment.length > MAX_COMMENT || !comment.startsWith(PREFIX)) return new Map();
  const marks = comment
    .slice(PREFIX.length)
    .split(' ')
    .map((word) => word.split('='))
    .filter(([session = '', at = '']) => SESSION.test(session) && /^\d{1,12}$/.test(at))
    .map(([session = '', at]) => [session, Number(at)] as const)
    .filter(([, at]) => at <= now + FRESH_SECONDS && at > now - FRESH_SECONDS);
  return new Map(marks.slice(-MOST));
}

export function writeMarks(marks: Marks): string {
  return `${PREFIX}${[...marks]
    .slice(-MOST)
    .map(([session, at]) => `${session}=${at}`)
    .join(' ')}`.trimEnd();
}

export function withMark(marks: Marks, session: string, now: number): Marks {
  return new Map([...marks, [session, now]]);
}

export function withoutMark(marks: Marks, session: string): Marks {
  return new Map([...marks].filter(([other]) => other !== session));
}
